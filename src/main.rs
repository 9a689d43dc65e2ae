//! The program: parses the arguments, runs the verb, prints what it returns. All else is in the
//! library.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    bakstop::report_panics();
    bakstop::ignore_file_size_signal();
    let mut answer = bakstop::run(std::env::args_os());
    // If stderr is closed there is no other place for notes.
    let _ = print(&mut std::io::stderr(), &answer.notes);
    match print(&mut std::io::stdout(), &answer.out) {
        Ok(()) => {}
        // The reader closed the pipe: it chose not to read the rest, and the verdict stays as it
        // is.
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
