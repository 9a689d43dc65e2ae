//! `bakstop man`: the manual page, from the definitions of the command line.

use std::io;

use clap_mangen::Man;

use crate::base::error::Error;
use crate::base::finding::Verdict;
use crate::commands::Outcome;

// The arguments: none.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Returns one page with all verbs, for `man -l -` or a file in `man1`.
pub(crate) fn run(_args: &Args, command: clap::Command) -> Result<Outcome, Error> {
    let failed = |error: io::Error| Error::new("write the manual page", error);
    let page = page(command).map_err(failed)?;
    let page =
        String::from_utf8(page).map_err(|error| Error::new("write the manual page", error))?;
    Ok(Outcome::new(Verdict::Clean, page))
}

fn page(mut command: clap::Command) -> io::Result<Vec<u8>> {
    command.build();
    let verbs: Vec<clap::Command> =
        command.get_subcommands().filter(|verb| verb.get_name() != "help").cloned().collect();
    let mut page = Vec::new();
    let man = Man::new(command);
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend_from_slice(b".SH COMMANDS\n");
    for verb in verbs {
        page.extend(section(verb)?);
    }
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// A verb as a subsection, without the options that all verbs have.
fn section(verb: clap::Command) -> io::Result<Vec<u8>> {
    let heading = format!(".SS {}\n", verb.get_bin_name().unwrap_or_else(|| verb.get_name()));
    let verb = verb.mut_args(|argument| {
        let everywhere = argument.is_global_set() || argument.get_id() == "help";
        argument.hide(everywhere)
    });
    let man = Man::new(verb);
    let mut text = Vec::new();
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    let paragraphs = String::from_utf8_lossy(&text)
        .lines()
        .map(|line| if line.starts_with(".SH ") { ".PP\n".to_owned() } else { format!("{line}\n") })
        .collect::<String>();
    Ok((heading + &paragraphs).into_bytes())
}
