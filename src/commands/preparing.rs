//! What a preparation is made of: the product, its sibling, packing, and the leftover directory.
//! `prep` prepares; other verbs ask whether a preparation is up to date.

pub(super) mod request;
pub(super) mod product;
pub(super) mod sibling;
pub(super) mod cache;
pub(super) mod directory;
pub(super) mod dockerfiles;
pub(super) mod in_place;
pub(super) mod running;
pub(super) mod pack;
pub(super) mod repacking;
pub(super) mod state;
