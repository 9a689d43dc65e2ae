//! Runs the program and prints its output. Everything else is in the library.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    bakstop::report_panics();
    bakstop::ignore_file_size_signal();
    let mut answer = bakstop::run(std::env::args_os());
    // If stderr is closed, the notes are lost.
    let _ = print(&mut std::io::stderr(), &answer.notes);
    match print(&mut std::io::stdout(), &answer.out) {
        Ok(()) => {}
        // The reader closed the pipe: keep the exit code.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        Err(error) => {
            answer = answer.unprinted(&error);
            let _ = print(&mut std::io::stderr(), &answer.notes);
        }
    }
    ExitCode::from(answer.code)
}

fn print(stream: &mut impl Write, text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush())
}
