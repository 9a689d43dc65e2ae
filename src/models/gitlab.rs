//! Pipelines of GitLab.

use crate::formats::document::{Node, Value};
use crate::models::{Scalar, StringMap, nested, string_map};

#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    /// The keys at the top level, which are defaults of the jobs.
    pub global: PipelineJob,
    /// Those of `default`, which override them.
    pub default: PipelineJob,
    /// Whether it includes other files, which may have defaults.
    pub has_includes: bool,
    /// Every entry except `variables`, whether it is a job or not.
    pub jobs: Vec<PipelineJob>,
}

#[derive(Debug, Default)]
pub(crate) struct PipelineJob {
    /// Whether it is hidden: it does not run, but jobs may extend it.
    pub is_template: bool,
    /// Whether it is a job that runs, and nothing but the defaults is inherited.
    pub is_complete: bool,
    pub variables: StringMap,
    /// The names of the variables that `parallel.matrix` sets.
    pub matrix: Vec<String>,
    pub image: Option<Scalar>,
    pub before_script: Vec<Scalar>,
    pub script: Vec<Scalar>,
    pub after_script: Vec<Scalar>,
}

impl Pipeline {
    pub(crate) fn parse(root: &Node) -> Self {
        let jobs = root.entries().filter(|(key, _)| key.text != "variables");
        Self {
            global: PipelineJob::parse("", root),
            default: root
                .last("default")
                .map(|node| PipelineJob::parse("", node))
                .unwrap_or_default(),
            has_includes: root.last("include").is_some(),
            jobs: jobs.map(|(key, job)| PipelineJob::parse(&key.text, job)).collect(),
        }
    }
}

impl PipelineJob {
    fn parse(name: &str, node: &Node) -> Self {
        let matrix = node.last("parallel").and_then(|parallel| parallel.last("matrix"));
        let variants = matrix.map(Node::items).unwrap_or_default();
        let script = |key| {
            let mut script = Vec::new();
            node.last(key).into_iter().for_each(|node| lines(node, &mut script));
            script
        };
        Self {
            is_template: name.starts_with('.'),
            is_complete: !name.starts_with('.')
                && !matches!(name, "" | "default")
                && node.last("script").is_some()
                && ["extends", "inherit"].iter().all(|key| node.last(key).is_none()),
            variables: string_map(node, "variables"),
            matrix: variants
                .iter()
                .flat_map(Node::entries)
                .map(|(key, _)| key.text.clone())
                .collect(),
            image: nested(node, "image", "name").map(Scalar::parse),
            before_script: script("before_script"),
            script: script("script"),
            after_script: script("after_script"),
        }
    }
}

/// Adds the strings of a script: a string, or nested lists of strings.
fn lines(node: &Node, script: &mut Vec<Scalar>) {
    match &node.value {
        Value::List(nodes) => nodes.iter().for_each(|node| lines(node, script)),
        Value::Text(_) => script.push(Scalar::parse(node)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::yaml;

    #[test]
    fn a_job_has_scripts_variables_and_an_image() {
        let text = "variables: {V: 1}\nimage: top\n\
                    .a: {script: [a, [b, [c], {d: e}]], before_script: f}\n\
                    b: {image: {name: n}, parallel: {matrix: [{X: 1, Y: 2}, z]}, \
                    after_script: [g]}\n";
        let pipeline = Pipeline::parse(&yaml(text));
        let lines = |script: &[Scalar]| -> Vec<_> {
            script.iter().map(|line| text.get(line.span.clone()).unwrap().to_owned()).collect()
        };
        let image =
            |job: &PipelineJob| job.image.as_ref().and_then(Scalar::text).map(str::to_owned);
        assert_eq!(pipeline.global.variables.text("V"), Some("1"));
        let [top, a, b] = pipeline.jobs.as_slice() else { panic!("three entries") };
        assert_eq!([top, a, b].map(|job| job.is_template), [false, true, false]);
        assert_eq!((lines(&a.script), lines(&a.before_script)), (lines_of("a b c"), lines_of("f")));
        assert_eq!((lines(&b.after_script), b.matrix.join(" ")), (lines_of("g"), "X Y".to_owned()));
        assert_eq!(
            [&pipeline.global, b].map(image),
            [Some("top".to_owned()), Some("n".to_owned())]
        );
    }

    fn lines_of(words: &str) -> Vec<String> {
        words.split(' ').map(str::to_owned).collect()
    }
}
