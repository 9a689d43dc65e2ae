//! What was done to a build so that a run shows a known state of its caches.

use serde_json::{Value, json};

use crate::measure::builds::recorded_name;

/// The maximum number of files that a record names.
const FILES: usize = 50;

/// How `measure` ran a build. Runs are compared only with runs of the same protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocol {
    /// The files that were changed before the run, from the top of the work tree.
    pub touched: Vec<String>,
    /// Whether neither layers nor cache mounts of earlier builds were used.
    pub cold: bool,
}

impl Protocol {
    pub(crate) fn new(touched: impl IntoIterator<Item = String>, cold: bool) -> Self {
        let touched = touched.into_iter().take(FILES).map(|file| recorded_name(&file)).collect();
        Self { touched, cold }
    }

    /// The protocol in a line of the record.
    pub(crate) fn json(&self) -> Value {
        json!({ "touched": self.touched, "cold": self.cold })
    }

    /// That of a record; `None` if it is none.
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        let touched = value["touched"].as_array()?.iter();
        let touched: Option<Vec<String>> =
            touched.map(|file| file.as_str().map(str::to_owned)).collect();
        Some(Self::new(touched?, value["cold"].as_bool()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_read_as_it_was_written() {
        for protocol in
            [Protocol::new(["a.ts".into(), "b c.ts".into()], false), Protocol::new([], true)]
        {
            assert_eq!(Protocol::parse(&protocol.json()), Some(protocol));
        }
        for other in [json!(1), json!({}), json!({ "touched": [1], "cold": true })] {
            assert_eq!(Protocol::parse(&other), None, "{other}");
        }
    }
}
