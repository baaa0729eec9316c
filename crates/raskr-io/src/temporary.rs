//! `Temporary`: a file or folder that is written beside its place and takes it, whole, at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::IoError;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A place to write to. [`Temporary::publish`] gives what was written its name; dropped before, all of it is removed.
#[derive(Debug)]
pub struct Temporary {
    scratch: PathBuf,
    target: PathBuf,
    overwrite: bool,
    published: bool,
}

impl Temporary {
    /// A hidden path beside `target`, on the same file system. With `overwrite`, what is at `target` stays until the
    /// end and is replaced then; without, an existing target is an error now, before any work.
    pub fn beside(target: &Path, overwrite: bool) -> Result<Temporary, IoError> {
        if !overwrite && target.symlink_metadata().is_ok() {
            return Err(IoError::Exists { path: target.to_path_buf() });
        }
        let folder = match target.parent() {
            Some(folder) if folder != Path::new("") => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let Some(name) = target.file_name() else {
            return Err(IoError::Unsupported {
                path: target.to_path_buf(),
                message: "a path must end with a name".into(),
            });
        };
        fs::create_dir_all(&folder).map_err(IoError::system(&folder, "create the folder"))?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let scratch = folder.join(format!(".{}.partial-{}-{number}", name.to_string_lossy(), process::id()));
        Ok(Temporary { scratch, target: target.to_path_buf(), overwrite, published: false })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.scratch
    }

    /// Where it will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Gives what was written its name.
    pub fn publish(mut self) -> Result<(), IoError> {
        let exists = self.target.symlink_metadata().is_ok();
        if exists && !self.overwrite {
            return Err(IoError::Exists { path: self.target.clone() });
        }
        // A folder can't be renamed onto one that is not empty: the old one steps aside first, and back on failure.
        let aside = self.scratch.with_extension("replaced");
        if exists {
            fs::rename(&self.target, &aside).map_err(IoError::system(&self.target, "move the old one aside"))?;
        }
        if let Err(error) = fs::rename(&self.scratch, &self.target) {
            if exists {
                let _ = fs::rename(&aside, &self.target);
            }
            return Err(IoError::system(&self.target, "put what was written in place")(error));
        }
        self.published = true;
        if exists {
            remove(&aside);
        }
        Ok(())
    }
}

/// What can't be removed is left: it is hidden, and an error here would hide the one that led here.
fn remove(path: &Path) {
    let _ = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.published {
            remove(&self.scratch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .expect("folder")
            .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn appears_when_published_and_not_before() {
        let folder = tempfile::tempdir().expect("folder");
        let target = folder.path().join("x");
        let temporary = Temporary::beside(&target, false).expect("new");
        fs::create_dir(temporary.path()).expect("create");
        fs::write(temporary.path().join("a"), b"1").expect("write");
        assert!(!target.exists());
        temporary.publish().expect("publish");
        assert_eq!(fs::read(target.join("a")).expect("read"), b"1");
        assert_eq!(names(folder.path()), ["x"]);
    }

    #[test]
    fn nothing_is_left_when_dropped() {
        let folder = tempfile::tempdir().expect("folder");
        let temporary = Temporary::beside(&folder.path().join("x"), false).expect("new");
        fs::create_dir(temporary.path()).expect("create");
        drop(temporary);
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn an_existing_target_is_kept_unless_overwritten() {
        let folder = tempfile::tempdir().expect("folder");
        let target = folder.path().join("x");
        fs::create_dir(&target).expect("create");
        fs::write(target.join("old"), b"1").expect("write");
        assert!(matches!(Temporary::beside(&target, false), Err(IoError::Exists { .. })));
        let temporary = Temporary::beside(&target, true).expect("new");
        fs::create_dir(temporary.path()).expect("create");
        assert_eq!(names(&target), ["old"], "the old one stays until the end");
        temporary.publish().expect("publish");
        assert_eq!(names(&target), [""; 0]);
        assert_eq!(names(folder.path()), ["x"]);
    }
}
