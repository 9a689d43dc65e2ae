//! Work on several threads, with its results in order.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::os::stack::STACK;

/// The maximum number of threads: each keeps objects in memory.
const THREADS: usize = 4;

/// The number of threads to use.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(THREADS)
}

/// Calls `work` for each item, with one of the states, on as many threads as there are states. The
/// results are in the order of the items.
pub(crate) fn each<S: Send, T: Send, R: Send>(
    states: &mut [S],
    items: Vec<T>,
    work: impl Fn(&mut S, T) -> R + Sync,
) -> Vec<R> {
    let count = items.len();
    let items = Mutex::new(items.into_iter().enumerate());
    let results = Mutex::new(Vec::with_capacity(count));
    let run = |state: &mut S| {
        loop {
            let next = lock(&items).next();
            let Some((number, item)) = next else { return };
            let result = work(state, item);
            lock(&results).push((number, result));
        }
    };
    thread::scope(|scope| {
        let mut states = states.iter_mut().take(count);
        let first = states.next();
        for state in states {
            // Without a thread, the others do its work.
            let _ = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || run(state));
        }
        first.into_iter().for_each(run);
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// A panic exits the program (`crash`), so no lock is poisoned.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_and_results_are_in_order() {
        for (states, items) in [(1, 0), (1, 5), (3, 0), (3, 1), (3, 200)] {
            let mut done = vec![0; states];
            let results = each(&mut done, (0..items).collect(), |done: &mut usize, item: usize| {
                *done += 1;
                if item.is_multiple_of(7) {
                    thread::yield_now();
                }
                item * 2
            });
            assert_eq!(results, (0..items).map(|item| item * 2).collect::<Vec<_>>());
            assert_eq!(done.iter().sum::<usize>(), items);
        }
    }
}
