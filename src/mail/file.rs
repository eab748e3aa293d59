//! Letters in a folder, one file each: for a start without a mail server, and for tests.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::message::message;
use super::{Letter, SendError, Sender, Transport};
use crate::private::{make_folder, options, sync_folder};

/// A folder that takes letters.
#[derive(Debug)]
pub struct FileTransport {
    folder: PathBuf,
    from: Sender,
}

impl FileTransport {
    /// Letters from somebody in a folder, which is made for the first.
    pub fn new(folder: PathBuf, from: Sender) -> Self {
        Self { folder, from }
    }
}

#[async_trait]
impl Transport for FileTransport {
    fn describe(&self) -> String {
        format!("files in {}", self.folder.display())
    }

    async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let bytes = message(letter, &self.from)?.formatted();
        // A letter that comes again replaces itself.
        let name = format!("{}-{}.eml", letter.at.as_millis(), letter.id);
        let folder = self.folder.clone();
        let written = tokio::task::spawn_blocking(move || write(&folder, &name, &bytes)).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(|error| SendError::NotTaken(error.to_string()))
    }
}

/// Puts a file into the folder whole, so that it is there after a power cut. Letters are the business of
/// those they are to, so nobody else may read them here.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    make_folder(folder)?;
    let draft = folder.join(format!(".{name}.draft"));
    let mut file = options().create(true).truncate(true).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, folder.join(name))?;
    sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Email, Timestamp};
    use crate::mail::texts::Text;

    fn letter() -> Letter {
        Letter {
            id: "order-paid.order_1.7".to_owned(),
            to: Email::parse("ana@example.com").expect("an address"),
            at: Timestamp::from_millis(1_700_000_000_000),
            text: Text { subject: "s".to_owned(), plain: "p".to_owned(), html: "h".to_owned() },
        }
    }

    #[tokio::test]
    async fn a_letter_is_one_file_however_often_it_comes() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("data/mail");
        let transport = FileTransport::new(folder.clone(), "a@example.com".parse().expect("one"));
        for _ in 0..2 {
            transport.send(&letter()).await.expect("a folder that takes it");
        }
        let files = fs::read_dir(&folder).expect("a folder").map(|file| file.expect("a file"));
        let names: Vec<_> = files.map(|file| file.file_name()).collect();
        assert_eq!(names, ["1700000000000-order-paid.order_1.7.eml"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).expect("it").permissions().mode() & 0o777;
            assert_eq!((mode(&folder), mode(&folder.join(&names[0]))), (0o700, 0o600));
        }
    }

    #[tokio::test]
    async fn a_folder_that_can_t_be_made_is_tried_again_later() {
        let place = tempfile::tempdir().expect("a folder");
        let file = place.path().join("file");
        fs::write(&file, b"").expect("a file");
        let transport =
            FileTransport::new(file.join("mail"), "a@example.com".parse().expect("one"));
        let sent = transport.send(&letter()).await;
        assert!(matches!(sent, Err(SendError::NotTaken(_))), "{sent:?}");
    }
}
