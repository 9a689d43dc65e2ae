//! Lockfiles of pnpm for images: what an image sees, and whether its lockfile fits that. It does no
//! I/O, and knows no rules.
//!
//! `images` finds the lockfiles and what their images see, `verdict` judges one as the pinned pnpm
//! does, and `agreement` compares one with the lockfile of the workspace. `layout` and `seed` are
//! what pnpm makes one from, and `moves` compares two. What pnpm accepts and refuses was asked of
//! pnpm 10.6.5, 10.34.9, 11.28.11 and 12.21.0: tests/facts/lockfile.json.

mod generation;
mod remark;
mod view;
mod checksums;
mod settings;
mod overrides;
mod gate;
mod projects;
mod graph;
mod agreement;
mod verdict;
mod images;
mod layout;
mod seed;
mod moves;
#[cfg(test)]
mod facts;

pub(crate) use gate::JudgedLock;
pub(crate) use images::{ImageInstall, Unlinked, image_installs, unlinked, views};
pub(crate) use layout::{LockLayout, Unlockable};
pub(crate) use moves::{MovedPackage, moved_packages};
pub(crate) use remark::Weight;
pub(crate) use seed::{InHouse, Unseeded, seed};
pub(crate) use verdict::judge;
pub(crate) use view::ImageView;
