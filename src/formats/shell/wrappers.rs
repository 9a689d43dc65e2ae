//! Programs that run another command: `sudo -u node npm ci`, `su node -c 'npm ci'`. Their options
//! are those of their manuals: sudo, util-linux, coreutils, `BusyBox` and others.

/// A program that runs a command.
struct Wrapper {
    names: &'static str,
    /// The letters and names of the options whose value may be the next word.
    valued: (&'static str, &'static str),
    /// Those with which it runs no command, or runs it in another directory.
    without: (&'static str, &'static str),
    /// Those whose value is a script.
    script: (&'static str, &'static str),
    /// The position of the command.
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    /// After the options and this number of words.
    Command(usize),
    /// Only in an option, which may follow other words.
    InOption,
    /// Likewise; without that option, a shell reads the input.
    InOptionOrInput,
}

const NONE: (&str, &str) = ("", "");
const BASE: Wrapper =
    Wrapper { names: "", valued: NONE, without: NONE, script: NONE, then: Then::Command(0) };

static WRAPPERS: [Wrapper; 26] = [
    Wrapper {
        names: "nohup builtin busybox setsid eatmydata unbuffer dbus-run-session linux32 linux64",
        ..BASE
    },
    Wrapper { names: "time", valued: ("fo", "format output"), ..BASE },
    Wrapper { names: "command", without: ("vV", ""), ..BASE },
    Wrapper { names: "exec", valued: ("a", ""), ..BASE },
    Wrapper { names: "gosu su-exec setuidgid s6-setuidgid", then: Then::Command(1), ..BASE },
    Wrapper {
        names: "sudo",
        valued: (
            "CghpRrTtUu",
            "close-from group host prompt chroot role type command-timeout other-user user",
        ),
        without: ("DeKlvV", "chdir edit list remove-timestamp validate version"),
        ..BASE
    },
    Wrapper { names: "doas", valued: ("au", ""), without: ("C", ""), ..BASE },
    Wrapper {
        names: "su",
        valued: ("gGsw", "group supp-group shell whitelist-environment"),
        script: ("cC", "command session-command"),
        then: Then::InOptionOrInput,
        ..BASE
    },
    Wrapper {
        names: "runuser",
        valued: ("gGswu", "group supp-group shell whitelist-environment user"),
        script: ("c", "command session-command"),
        then: Then::InOptionOrInput,
        ..BASE
    },
    Wrapper {
        names: "script",
        valued: ("BEIOTmo", "log-in log-out log-io log-timing echo output-limit logging-format"),
        script: ("c", "command"),
        then: Then::InOption,
        ..BASE
    },
    Wrapper {
        names: "env",
        valued: ("ua", "unset argv0"),
        without: ("C", "chdir"),
        script: ("S", "split-string"),
        ..BASE
    },
    Wrapper {
        names: "timeout",
        valued: ("ks", "kill-after signal"),
        then: Then::Command(1),
        ..BASE
    },
    Wrapper { names: "nice", valued: ("n", "adjustment"), ..BASE },
    Wrapper {
        names: "ionice",
        valued: ("cn", "class classdata"),
        without: ("pPu", "pid pgid uid"),
        ..BASE
    },
    Wrapper { names: "taskset", without: ("p", "pid"), then: Then::Command(1), ..BASE },
    Wrapper {
        names: "chrt",
        valued: ("TPD", "sched-runtime sched-period sched-deadline"),
        without: ("pm", "pid max"),
        then: Then::Command(1),
        ..BASE
    },
    Wrapper { names: "stdbuf", valued: ("ioe", "input output error"), ..BASE },
    Wrapper {
        names: "setpriv",
        valued: (
            "",
            "groups inh-caps ambient-caps bounding-set ruid euid reuid rgid egid regid \
             securebits pdeathsig ptracer selinux-label apparmor-profile landlock-access \
             landlock-rule seccomp-filter",
        ),
        ..BASE
    },
    Wrapper { names: "chroot", valued: ("", "userspec groups"), then: Then::Command(1), ..BASE },
    Wrapper { names: "chpst", valued: ("uUbenlLmdopfcrt/", ""), ..BASE },
    Wrapper { names: "tini tini-static catatonit", valued: ("ep", ""), ..BASE },
    Wrapper { names: "dumb-init", valued: ("r", "rewrite"), ..BASE },
    Wrapper {
        names: "flock",
        valued: ("wE", "wait timeout conflict-exit-code"),
        without: ("u", "unlock"),
        script: ("c", "command"),
        then: Then::Command(1),
    },
    Wrapper {
        names: "xargs",
        valued: ("adEILnPs", "arg-file delimiter max-args max-procs max-chars process-slot-var"),
        ..BASE
    },
    Wrapper { names: "fakeroot", valued: ("lsib", "lib faked"), ..BASE },
    Wrapper {
        names: "xvfb-run",
        valued: ("efnpsw", "error-file auth-file server-num xauth-protocol server-args wait"),
        ..BASE
    },
];

/// The command that a wrapper runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrapped {
    /// The command from this word on.
    Command(usize),
    /// A script in this word, from this byte on.
    Script(usize, usize),
    /// A command on its standard input.
    Input,
    /// No command that a reader may follow.
    Nothing,
}

/// The command that a command runs; `None` if it is not a wrapper. `word` returns its words by
/// their numbers, without quotes.
pub(super) fn wrapped<'w>(word: &dyn Fn(usize) -> Option<&'w [u8]>) -> Option<Wrapped> {
    let name = word(0)?.rsplit(|&byte| byte == b'/').next()?;
    let is_name = |wrapper: &&Wrapper| wrapper.names.split(' ').any(|n| n.as_bytes() == name);
    WRAPPERS.iter().find(is_name).map(|wrapper| wrapper.wrapped(word))
}

/// The effect of an option.
enum Effect {
    Flag,
    /// Its value is the next word.
    Value,
    /// The command follows the options, although it usually does not. Whether its value is the
    /// next word.
    User(bool),
    Stops,
    /// Its value is a script, in this word from a byte on, or in the next word.
    Script(Option<usize>),
}

impl Wrapper {
    fn wrapped<'w>(&self, words: &dyn Fn(usize) -> Option<&'w [u8]>) -> Wrapped {
        let mut then = self.then;
        let mut at = 1;
        let mut options = true;
        while let Some(word) = words(at) {
            let is_option = word.starts_with(b"-") && word != b"-";
            match then {
                _ if word == b"--" && options => options = false,
                // `env -`, `su - node`
                _ if word == b"-" => {}
                _ if is_option && options => match self.option(word) {
                    Effect::Flag => {}
                    Effect::Value => at += 1,
                    Effect::User(is_next) => {
                        (then, at) = (Then::Command(0), at + usize::from(is_next));
                    }
                    Effect::Stops => return Wrapped::Nothing,
                    Effect::Script(Some(from)) => return Wrapped::Script(at, from),
                    Effect::Script(None) => return Wrapped::Script(at + 1, 0),
                },
                Then::InOption | Then::InOptionOrInput => {}
                Then::Command(0) if is_assignment(word) => {}
                Then::Command(0) => return Wrapped::Command(at),
                Then::Command(operands) => {
                    then = Then::Command(operands - 1);
                    options = operands == 1 && matches!(self.script, ("c", _));
                }
            }
            at += 1;
        }
        if matches!(then, Then::InOptionOrInput) { Wrapped::Input } else { Wrapped::Nothing }
    }

    fn option(&self, word: &[u8]) -> Effect {
        let has = |names: &str, name: &[u8]| names.split(' ').any(|known| known.as_bytes() == name);
        if let Some(long) = word.strip_prefix(b"--") {
            let equals = long.iter().position(|&byte| byte == b'=');
            let name = &long[..equals.unwrap_or(long.len())];
            return match name {
                _ if has(self.without.1, name) => Effect::Stops,
                _ if has(self.script.1, name) => Effect::Script(equals.map(|at| at + 3)),
                b"user" if self.names == "runuser" => Effect::User(equals.is_none()),
                _ if has(self.valued.1, name) && equals.is_none() => Effect::Value,
                _ => Effect::Flag,
            };
        }
        for (at, &letter) in word.iter().enumerate().skip(1) {
            let is = |letters: &str| letters.as_bytes().contains(&letter);
            let rest = (at + 1 < word.len()).then_some(at + 1);
            if is(self.without.0) {
                return Effect::Stops;
            } else if is(self.script.0) {
                return Effect::Script(rest);
            } else if letter == b'u' && self.names == "runuser" {
                return Effect::User(rest.is_none());
            } else if is(self.valued.0) {
                return if rest.is_some() { Effect::Flag } else { Effect::Value };
            }
        }
        Effect::Flag
    }
}

/// Whether a word is `NAME=value`, which `env` and `sudo` take before the command.
fn is_assignment(word: &[u8]) -> bool {
    crate::formats::shell::script::assigned(word).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Wrapped> {
        wrapped(&|at| text.split(' ').nth(at).map(str::as_bytes))
    }

    #[test]
    fn the_script_of_a_wrapper_is_in_an_option() {
        for (text, expected) in [
            ("su node -c S", Wrapped::Script(3, 0)),
            ("su - node -c S", Wrapped::Script(4, 0)),
            ("su -c S node", Wrapped::Script(2, 0)),
            ("su -lcS node", Wrapped::Script(1, 3)),
            ("su -s /bin/sh -g users node -c S", Wrapped::Script(7, 0)),
            ("su --command=S - node", Wrapped::Script(1, 10)),
            ("su node --command S", Wrapped::Script(3, 0)),
            ("su - node", Wrapped::Input),
            ("runuser - node -c S", Wrapped::Script(4, 0)),
            ("runuser -l node -c S", Wrapped::Script(4, 0)),
            ("runuser -s /bin/bash -c S node", Wrapped::Script(4, 0)),
            ("script -qec S /dev/null", Wrapped::Script(2, 0)),
            ("script -q log", Wrapped::Nothing),
            ("env -S S", Wrapped::Script(2, 0)),
            ("env -i -S S", Wrapped::Script(3, 0)),
            ("env -vSS", Wrapped::Script(1, 3)),
            ("flock -n /tmp/l -c S", Wrapped::Script(4, 0)),
            ("flock /tmp/l --command S", Wrapped::Script(3, 0)),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in ["npm", "C", "sudoer C", "timeouts 1 C", ""] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_command_of_a_wrapper_follows_its_options() {
        for (text, expected) in [
            ("sudo -E -H -u node C", Some("C")),
            ("sudo -unode -g 0 A=1 C", Some("C")),
            ("sudo -iu node C", Some("C")),
            ("sudo --user node --preserve-env=A -- C", Some("C")),
            ("sudo --user=node -n C", Some("C")),
            ("sudo -v", None),
            ("sudo -l C", None),
            ("sudo -D /x C", None),
            ("doas -u node -n C", Some("C")),
            ("env - A=1 C", Some("C")),
            ("env -i -u A -uB --unset=D A=1 C", Some("C")),
            ("env --unset A C", Some("C")),
            ("env -C /x C", None),
            ("/usr/bin/env C", Some("C")),
            ("env A=1", None),
            ("timeout 60 C", Some("C")),
            ("timeout -s KILL 60 C", Some("C")),
            ("timeout --signal KILL -k 5 1m C", Some("C")),
            ("timeout -k5 --preserve-status --foreground 60 C -s", Some("C")),
            ("timeout 60", None),
            ("nice C", Some("C")),
            ("nice -n 10 C", Some("C")),
            ("nice -10 C", Some("C")),
            ("nice --adjustment=5 C", Some("C")),
            ("ionice -c 3 C", Some("C")),
            ("ionice -c2 -n7 C", Some("C")),
            ("ionice -p 1", None),
            ("nohup C", Some("C")),
            ("time -p C", Some("C")),
            ("time -f %e -o t C", Some("C")),
            ("stdbuf -oL -e 0 C", Some("C")),
            ("setpriv --reuid=node --regid node --init-groups C", Some("C")),
            ("gosu node C", Some("C")),
            ("gosu node:node C -u", Some("C")),
            ("su-exec 1000 C", Some("C")),
            ("s6-setuidgid node C", Some("C")),
            ("chpst -u node -m 1 C", Some("C")),
            ("chroot --userspec=node:node / C", Some("C")),
            ("chroot --userspec node --skip-chdir / C", Some("C")),
            ("tini -g -- C", Some("C")),
            ("/sbin/tini -p TERM C", Some("C")),
            ("dumb-init --rewrite 15:3 -- C", Some("C")),
            ("flock -w 10 /tmp/l C", Some("C")),
            ("flock -u 9", None),
            ("flock 9", None),
            ("xargs -r -n 1 -P4 C", Some("C")),
            ("xargs -I {} C {}", Some("C")),
            ("command -p C", Some("C")),
            ("command -v C", None),
            ("command -V C", None),
            ("exec -a x C", Some("C")),
            ("runuser -u node -- C", Some("C")),
            ("runuser --user=node -g 1 C", Some("C")),
            ("runuser -unode C", Some("C")),
            ("setsid -f -w C", Some("C")),
            ("chrt -b 0 C", Some("C")),
            ("su -T node C", None),
            ("taskset -c 0 C", Some("C")),
            ("xvfb-run -a -s -x C", Some("C")),
            ("busybox C", Some("C")),
        ] {
            let found = match parse(text) {
                Some(Wrapped::Command(at)) => text.split(' ').nth(at),
                _ => None,
            };
            assert_eq!(found, expected, "{text}");
        }
    }
}
