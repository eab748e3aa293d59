//! Files and folders that nobody but the server may read, and how they come to be there whole and stay
//! there after a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

/// How a file is written that its owner alone may read; whether it may be there already is for the caller
/// to say.
pub fn options() -> OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a folder that its owner alone may enter, and those it is in.
///
/// # Errors
///
/// The operating system's.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The folder a file is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable: without this a power cut could take a new one away again.
///
/// # Errors
///
/// The operating system's.
#[cfg(unix)]
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

/// See above: elsewhere a folder can't be opened.
///
/// # Errors
///
/// None.
#[cfg(not(unix))]
pub fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes a new file, durable but for its name.
///
/// # Errors
///
/// The operating system's; [`ErrorKind::AlreadyExists`] if there is one.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = options().create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Puts a file there whole, by way of a draft in the same folder. One that is there already stays: of
/// several who put it at once, the first counts. The name is durable once its folder is synced.
///
/// # Errors
///
/// The operating system's.
pub fn put_once(draft: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let placed = write_new(draft, bytes).and_then(|()| match fs::hard_link(draft, path) {
        // A link, unlike a rename, does not replace what is there.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = if_there(fs::remove_file(draft));
    placed?;
    removed.map(|_| ())
}

/// What was done with a file, or nothing if there is none.
///
/// # Errors
///
/// The operating system's, but for that.
pub fn if_there<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_alone_is_a_place_in_this_folder() {
        assert_eq!(folder_of(Path::new("session.key")), Path::new("."));
        assert_eq!(folder_of(Path::new("data/session.key")), Path::new("data"));
    }

    #[test]
    fn what_was_put_first_stays_and_no_draft_is_left() {
        let place = tempfile::tempdir().unwrap();
        let (draft, path) = (place.path().join(".draft"), place.path().join("file"));
        put_once(&draft, &path, b"first").unwrap();
        put_once(&draft, &path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
