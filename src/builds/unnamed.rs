//! The builds of Dockerfiles that no other file names.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::base::path::RepoPath;
use crate::builds::described::{Builder, Described, Unjudged};
use crate::builds::model::Builds;
use crate::project::SourceFile;
use crate::project::directories::is_vendored;
use crate::project::kinds::FileKind;

impl Builds {
    /// Adds a build of each Dockerfile that nothing names.
    pub(super) fn add_unnamed(&mut self) {
        let links = self.tree.below("").filter(|path| {
            FileKind::may_be_dockerfile(path)
                && FileKind::Dockerfile.matches(&RepoPath::from(*path))
                && self.is_link(path)
        });
        let link = |path| Unjudged::new(RepoPath::from(path), "it is a link, which is not read");
        let links: Vec<Unjudged> = links.map(link).collect();
        self.doubts.extend(links);
        let of_files = self.list.iter().filter(|build| build.inline.is_none());
        let built: BTreeSet<usize> = of_files.map(|build| build.dockerfile).collect();
        for file in self.dockerfiles().into_iter().filter(|file| !built.contains(file)) {
            let path = self.file(file).path.clone();
            if is_vendored(path.as_bytes()) {
                let reason = "it belongs to a project that was copied here";
                self.doubts.push(Unjudged::new(path, reason));
                continue;
            }
            let dockerfile = path.to_string();
            // At the top, `docker build .` and `podman build .` are the only builds that one can
            // mean. Docker does not look for the second name.
            let builder = match dockerfile.as_str() {
                "Dockerfile" => Some(Builder::Docker),
                "Containerfile" => Some(Builder::Podman),
                _ => None,
            };
            let context = builder.map(|_| String::new());
            if context.is_none() {
                let reason = "what needs its context, since nothing says how it is built";
                self.doubts.push(Unjudged::new(path, reason));
            }
            self.add(Described::alone(&dockerfile, context, builder.unwrap_or(Builder::Docker)));
        }
    }

    /// The numbers of the Dockerfiles.
    fn dockerfiles(&self) -> Vec<usize> {
        let files = self.project.files().iter().enumerate();
        let is_dockerfile = |(_, source): &(usize, &Rc<SourceFile>)| {
            FileKind::Dockerfile.matches(&source.file.path)
        };
        files.filter(is_dockerfile).map(|(number, _)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::builds::model::tests::builds;

    #[test]
    fn a_dockerfile_of_a_copied_project_is_built_only_if_a_file_names_it() {
        let path = "vendor/github.com/acme/a/Dockerfile";
        let alone = builds(&[(path, "FROM x"), ("web/Dockerfile", "FROM x")]);
        assert_eq!(alone.list.len(), 1);
        let doubts: Vec<String> = alone.doubts.iter().map(|it| it.path.to_string()).collect();
        assert_eq!(doubts, [path, "web/Dockerfile"]);
        let compose = format!("services: {{a: {{build: {{context: ., dockerfile: {path}}}}}}}");
        let named = builds(&[(path, "FROM x"), ("compose.yaml", &compose)]);
        assert_eq!((named.list.len(), named.doubts.len()), (1, 0));
    }
}
