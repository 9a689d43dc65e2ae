//! The Docker builds of a project: each with its Dockerfile, its context, and what its caller gives
//! it. What a value is that only a run of the build decides is unknown, and never guessed. It does
//! no I/O, and knows no rules.

pub(crate) mod caches;
mod described;
pub(crate) mod context;
pub(crate) mod steps;
pub(crate) mod installs;
mod build_files;
mod build;
mod compose;
mod bake;
mod ci;
mod prepared;
mod gathered;
mod lists;
mod model;
mod unnamed;
mod users;
mod members;
mod bases;
mod exclusion;
pub(crate) mod arguments;
pub(crate) mod visits;
pub(crate) mod overlays;
mod lockfiles;
pub(crate) mod settings;
pub(crate) mod stores;

pub(crate) use bases::{BaseUse, Bases};
pub(crate) use build::{Build, ContextSource};
pub(crate) use context::{BuildContext, CopySource};
pub(crate) use described::{BuildOrigin, OriginName};
pub(crate) use gathered::{ConfiguredBuild, DescribedBuilds};
pub(crate) use model::Builds;
pub(crate) use prepared::{Overlays, PreparedBuilds};
pub(crate) use steps::Action;
pub(crate) use users::{CacheUser, shown_name};
