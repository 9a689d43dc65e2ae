//! Pins: the places where a file names a package manager and its version. Each file is read as the
//! tool that it configures reads it; a value that is not understood is not a pin. It does no I/O,
//! and knows no rules.
//!
//! `commands` knows what a command installs, and `scripts` where one runs; the files after these
//! read one source each, and `files` chooses among them. `calls` and `declarations` find the
//! project that governs a place; `agreement` compares all pins, `statements` with older ones.

pub(crate) mod pin;
mod commands;
mod corepack;
mod scope;
mod images;
mod scripts;
mod compose;
mod dockerfile;
mod manifest;
mod devcontainer;
mod ci;
mod gitlab;
mod runs;
mod tools;
mod files;
mod calls;
mod declarations;
mod agreement;
mod moving;
mod statements;

pub(crate) use agreement::{Doubt, PinGroup, PinId, PinTable, Relation, Row, Statement};
pub(crate) use dockerfile::dockerfile_pins;
pub(crate) use files::{is_same, may_declare, pins_of_file, select};
pub(crate) use moving::{MovePlan, NewVersion, plan};
pub(crate) use pin::{Demand, Fault, FilePins, Manager, Pin, PinKind, Role, Strictness};
pub(crate) use runs::{UsedAction, WorkflowSteps, pipeline_commands};
pub(crate) use scripts::{CiCommand, joined};

#[cfg(test)]
pub(crate) mod tests {
    use crate::engine::tests::{Fake, transcript};
    use crate::rules;

    /// A manifest that pins pnpm 10.6.5.
    pub(crate) const MANIFEST: &str = r#"{"packageManager": "pnpm@10.6.5+sha512.abc"}"#;

    #[test]
    fn ranges_accept_prereleases_as_in_pnpm() {
        for (version, range, accepted) in [
            ("11.0.0-rc.1", "^11", true),
            ("11.0.0-rc.1", "11.x", true),
            ("11.0.0-rc.1", "<11", false),
            ("11.0.0-rc.1", ">=10 <11", false),
            ("11.0.0-rc.1", "^10", false),
            ("10.6.5", ">=9 <11 || 12.x", true),
        ] {
            let version = super::pin::exact(version).unwrap();
            assert_eq!(super::pin::accepts(&version, range), Some(accepted), "{version} {range}");
        }
        assert_eq!(
            super::pin::satisfies(&super::pin::exact("11.0.0-rc.1").unwrap(), "^11"),
            Some(false)
        );
        assert_eq!(
            super::pin::accepts(&super::pin::exact("1.0.0").unwrap(), "please-use-pnpm"),
            None
        );
    }

    /// The findings of `package-manager-mismatch` in files.
    pub(crate) fn mismatches(files: &[(&str, &str)]) -> Vec<String> {
        let change =
            files.iter().fold(Fake::default(), |change, (path, text)| change.file(path, text));
        transcript(rules::find("package-manager-mismatch").unwrap(), &change)
    }
}
