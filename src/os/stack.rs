//! Provides enough stack for the deepest documents that the parsers accept, regardless of `ulimit
//! -s`.

/// The size of the stack of a thread, in bytes.
pub(super) const STACK: usize = 8 * 1024 * 1024;

/// Runs `work`, in another thread if the stack of the main thread is smaller than usual.
pub(crate) fn with_large_stack<T: Send>(work: impl Fn() -> T + Sync) -> T {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    if limit.is_none_or(|limit| limit >= STACK as u64) {
        return work();
    }
    std::thread::scope(|scope| {
        match std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, &work) {
            // A panic exits the program (`crash`); only tests reach this.
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => work(),
        }
    })
}
