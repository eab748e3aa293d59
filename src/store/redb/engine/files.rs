//! Files that come into being whole: they are made under another name and published when done.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The name under which a file is made before it is published.
pub fn draft_of(target: &Path) -> PathBuf {
    let mut name = OsString::from(target.as_os_str());
    name.push(".new");
    PathBuf::from(name)
}

/// Removes a draft that a crash left behind. One that a process is still writing is locked by
/// redb; that is told as [`ErrorKind::WouldBlock`].
pub fn remove_draft(draft: &Path) -> io::Result<()> {
    let file = match File::open(draft) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => fs::remove_file(draft),
        Err(TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Creates an empty draft that only this user may read: a store holds password hashes. It is
/// locked, so that nobody takes it for what a crash left. If somebody did just before, that is
/// told as [`ErrorKind::WouldBlock`].
pub fn create_draft(draft: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(draft)?;
    file.lock()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let is_gone = |error: io::Error| match error.kind() {
            ErrorKind::NotFound => ErrorKind::WouldBlock.into(),
            _ => error,
        };
        let (ours, named) = (file.metadata()?, fs::metadata(draft).map_err(is_gone)?);
        if (ours.dev(), ours.ino()) != (named.dev(), named.ino()) {
            return Err(ErrorKind::WouldBlock.into());
        }
    }
    Ok(file)
}

/// Another handle to a file, through which what is written is durable when the call returns, and
/// nothing else that was written to the file is waited for. `None` where the system has no such
/// thing: macOS has the flag, but leaves the bytes in the disk's memory.
#[cfg(target_os = "linux")]
pub fn open_through(file: &File) -> Option<File> {
    use std::os::fd::AsRawFd as _;
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_DSYNC);
    // Not by its name, which may be another file's by now.
    options.write(true).open(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}

/// See above.
#[cfg(not(target_os = "linux"))]
pub fn open_through(_: &File) -> Option<File> {
    None
}

/// Gives a finished draft its name, durably, unless there is a file of that name:
/// [`ErrorKind::AlreadyExists`].
pub fn publish(draft: &Path, target: &Path) -> io::Result<()> {
    File::open(draft)?.sync_all()?;
    match fs::hard_link(draft, target) {
        Ok(()) => fs::remove_file(draft)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
        // Not every file system has hard links. Without them a file that appears in this very
        // moment would be replaced.
        Err(_) if !target.try_exists()? => fs::rename(draft, target)?,
        Err(error) => return Err(error),
    }
    sync_folder_of(target)
}

/// Gives a finished draft its name, durably, in place of any file of that name.
pub fn publish_over(draft: &Path, target: &Path) -> io::Result<()> {
    File::open(draft)?.sync_all()?;
    fs::rename(draft, target)?;
    sync_folder_of(target)
}

/// The folder a file is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Without this a power cut could take a new name away again.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}
