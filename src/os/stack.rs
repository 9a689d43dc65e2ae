//! Stack space for documents that nest as deep as the parsers follow them, whatever `ulimit -s`
//! leaves to the first thread.

/// The stack that is wanted, in bytes.
const STACK: usize = 8 * 1024 * 1024;

/// Runs in a thread of its own where the first one has less room than it mostly has.
pub(crate) fn with_large_stack<T: Send>(work: impl Fn() -> T + Sync) -> T {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    if limit.is_none_or(|limit| limit >= STACK as u64) {
        return work();
    }
    std::thread::scope(|scope| {
        match std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, &work) {
            // The program ends where the thread panics (`crash`); only a test gets here.
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => work(),
        }
    })
}
