//! What the pinned pnpm would make of the lockfiles today, as the registry is now.

use crate::base::error::Error;
use crate::commands::Context;
use crate::commands::lockfile::making::{Made, Order, RegistryKnowledge};
use crate::engine::Judgement;
use crate::formats::lockfile::Lockfile;
use crate::locks::{ImageView, InHouse, moved_packages};
use crate::report::lockfile::{FreshLock, Today};

/// Makes each lockfile again, in a private directory. A failure is part of the answer.
pub(super) fn fresh(judged: &Judgement, context: &Context) -> Vec<FreshLock> {
    let mut found: Vec<FreshLock> = Vec::new();
    for lock in &judged.locks {
        // One that several images use is made for the first of them.
        let path = &lock.view.lock.file.path;
        if !found.iter().any(|known| known.path == *path) {
            found.push(fresh_lock(&lock.view, context));
        }
    }
    found
}

fn fresh_lock(view: &ImageView, context: &Context) -> FreshLock {
    let path = view.lock.file.path.clone();
    let doing = format!("make {path}");
    let kept = match Order::of(view, InHouse::Kept, &doing) {
        Ok(order) => order,
        Err(error) => return FreshLock { path, again: unknown(&error), update: None, code: None },
    };
    let code = kept.code().cloned();
    let again = today(&kept, view, &doing, context);
    let is_linked = view.workspace.is_some() && !matches!(again, Today::Unknown { .. });
    let update = is_linked.then(|| match Order::of(view, InHouse::Moved, &doing) {
        Ok(moved) if moved.is_like(&kept) => None,
        Ok(moved) => Some(today(&moved, view, &doing, context)),
        Err(error) => Some(unknown(&error)),
    });
    FreshLock { path, again, update: update.flatten(), code }
}

/// Lets pnpm make a lockfile without what it knows of earlier, and compares it.
fn today(order: &Order, view: &ImageView, doing: &str, context: &Context) -> Today {
    let text = match order.made(view, RegistryKnowledge::Nothing, doing, context) {
        Ok(Made::Lockfile(text)) => text,
        Ok(Made::Wants(files)) => {
            let reason = format!("these files were written as well: {}", files.join(", "));
            return Today::Unknown {
                reason,
                help: "it wants this setting in the image".to_owned(),
            };
        }
        Err(error) => return unknown(&error),
    };
    if text == view.lock.file.text {
        return Today::Same;
    }
    match (&*view.lockfile(), Lockfile::parse(&text)) {
        (Ok(old), Ok(new)) => Today::Differs(moved_packages(old, &new)),
        _ => Today::Unknown {
            reason: "pnpm wrote no lockfile that can be read".to_owned(),
            help: "does the gate find a fault in the one that is there?".to_owned(),
        },
    }
}

fn unknown(error: &Error) -> Today {
    let reason = error.cause().to_owned();
    let help = error.next_step().unwrap_or_default().to_owned();
    Today::Unknown { reason, help }
}
