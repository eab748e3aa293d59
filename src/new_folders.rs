//! The folders that a failed start must not leave behind.

use std::path::{Path, PathBuf};

/// The folders that some files need and that are not there yet.
#[derive(Debug)]
pub struct NewFolders(Vec<PathBuf>);

impl NewFolders {
    /// Looks which folders of these files are missing.
    pub fn of(files: &[&Path]) -> Self {
        let folders = files.iter().flat_map(|file| file.ancestors().skip(1));
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        Self(folders.filter(is_missing).map(Path::to_owned).collect())
    }

    /// Removes those that have been made since and hold nothing.
    pub fn remove(&self) {
        for folder in &self.0 {
            // One that is not empty stays, and so do those that it is in.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_that_were_missing_and_are_empty_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("old");
        std::fs::create_dir(&old).unwrap();
        let (deep, full) = (old.join("new/deep"), old.join("full"));
        let new = NewFolders::of(&[&deep.join("a.redb"), &full.join("b.key")]);
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::create_dir(&full).unwrap();
        std::fs::write(full.join("b.key"), "kept").unwrap();
        new.remove();
        assert!(!old.join("new").exists());
        assert!(full.join("b.key").exists() && old.exists());
    }
}
