//! Files that come into being whole: they are made under another name and published when done.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::private::{self, folder_of, sync_folder};

/// The name under which a file is made before it is published.
fn draft_of(target: &Path) -> PathBuf {
    let mut name = OsString::from(target.as_os_str());
    name.push(".gittix-draft");
    PathBuf::from(name)
}

/// A file that is being made, under a name of its own beside the one that it is to have. It is
/// removed unless it is published.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    is_published: bool,
}

impl Draft {
    /// Creates an empty draft that only this user may read: a store holds password hashes. What a
    /// crash left of an earlier one is removed. It is locked, so that nobody takes it for that;
    /// one that a process is still writing is told as [`ErrorKind::WouldBlock`].
    pub fn create(target: &Path) -> io::Result<(Self, File)> {
        let path = draft_of(target);
        remove_what_a_crash_left(&path)?;
        let file = private::options().read(true).create_new(true).open(&path)?;
        let mut draft = Self { path, is_published: false };
        file.lock()?;
        if is_at(&file, &draft.path)? {
            return Ok((draft, file));
        }
        // Somebody has taken it for what a crash left, just before it was locked.
        draft.is_published = true;
        Err(ErrorKind::WouldBlock.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the finished draft its name, durably, unless there is a file of that name:
    /// [`ErrorKind::AlreadyExists`].
    pub fn publish(mut self, target: &Path) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        match fs::hard_link(&self.path, target) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
            // Not every file system has hard links. Without them a file that appears in this very
            // moment would be replaced.
            Err(_) if !target.try_exists()? => {
                fs::rename(&self.path, target)?;
                self.is_published = true;
            }
            Err(error) => return Err(error),
        }
        drop(self);
        sync_folder(folder_of(target))
    }

    /// Gives the finished draft its name, durably, in place of any file of that name.
    pub fn publish_over(mut self, target: &Path) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        fs::rename(&self.path, target)?;
        self.is_published = true;
        sync_folder(folder_of(target))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_published
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a draft could not be removed");
        }
    }
}

/// Removes a draft that a crash left behind. One that a process is still writing is locked by
/// redb.
fn remove_what_a_crash_left(draft: &Path) -> io::Result<()> {
    match fs::symlink_metadata(draft) {
        Ok(found) if found.is_file() => {}
        Ok(_) => {
            let why = format!("{} is in the way", draft.display());
            return Err(io::Error::new(ErrorKind::AlreadyExists, why));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match File::open(draft)?.try_lock() {
        Ok(()) => fs::remove_file(draft),
        Err(TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether a file that is open is the one of that name. Where the system can't tell, it is taken
/// to be.
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let named = match fs::metadata(path) {
            Ok(named) => named,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let ours = file.metadata()?;
        Ok((ours.dev(), ours.ino()) == (named.dev(), named.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        Ok(true)
    }
}

/// Where a file was when it was opened.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    #[cfg(unix)]
    identity: (u64, u64),
}

impl Home {
    /// Where the file is now.
    pub fn of(path: &Path) -> io::Result<Self> {
        #[cfg(unix)]
        let identity = identity(path)?;
        Ok(Self {
            path: path.to_owned(),
            #[cfg(unix)]
            identity,
        })
    }

    /// Fails if the file is not there any more, or another is: what is written to it is then lost to
    /// whoever looks for it there. Where the system can't tell, it is taken to be there.
    pub fn must_be_there(&self) -> io::Result<()> {
        #[cfg(unix)]
        match identity(&self.path) {
            Ok(found) if found == self.identity => {}
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => {
                let path = self.path.display();
                let why = format!("{path} was moved away or replaced while it was in use");
                return Err(io::Error::other(why));
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Keeps a file under another name as well, in place of any file of that name. Where there are no
/// hard links it is copied.
pub fn keep_as(file: &Path, other: &Path) -> io::Result<()> {
    let (draft, copy) = Draft::create(other)?;
    drop(copy);
    fs::remove_file(draft.path())?;
    if fs::hard_link(file, draft.path()).is_err() {
        fs::copy(file, draft.path())?;
    }
    draft.publish_over(other)
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

/// How many bytes may be written to the disk that a folder is on; `None` if that is not known.
pub fn free_space(folder: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let found = rustix::fs::statvfs(folder).ok()?;
        found.f_bavail.checked_mul(found.f_frsize)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}
