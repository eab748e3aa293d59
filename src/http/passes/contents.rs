//! What a file is, told by its bytes.
//!
//! A file is one thing from its first byte to its last: what could be read as something else too, by a
//! program that looks elsewhere for its beginning, is refused. So is what is cut short.

use std::io::{self, Read as _};

use flate2::read::DeflateDecoder;

use crate::domain::PassKind;

/// How much the files of a wallet's pass may hold together when they are unpacked, as a multiple of what a
/// pass may have.
const UNPACKED_TIMES: usize = 4;
/// The most files of a wallet's pass.
const MOST_FILES: u16 = 256;
/// The least that a file in an archive takes in its list.
const ENTRY_BYTES: usize = 46;
/// What ends an archive, and with what that begins.
const END_BYTES: usize = 22;
const END: &[u8] = b"PK\x05\x06";
/// What stands before that in a large one.
const LARGE_END_BYTES: usize = 20;
/// How much white space may follow the end of a document.
const DOCUMENT_TAIL: usize = 1024;
/// How far from the start of a file programs look for the start of a document.
const DOCUMENT_HEAD: usize = 1024;
/// What a document begins with.
const DOCUMENT: &[u8] = b"%PDF-";

/// Why a file is no pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadContent {
    /// It is none of the known kinds, or not whole, or something else besides.
    Unknown,
    /// It is larger unpacked than it may be.
    TooLarge,
}

/// What a file is of at most that many bytes.
pub fn kind_of(bytes: &[u8], max_bytes: usize) -> Result<PassKind, BadContent> {
    let known = |is_whole: bool, kind| if is_whole { Ok(kind) } else { Err(BadContent::Unknown) };
    if bytes.starts_with(DOCUMENT) {
        return known(is_whole_document(bytes) && !hides_archive(bytes), PassKind::Pdf);
    }
    let head = bytes.get(..DOCUMENT_HEAD).unwrap_or(bytes);
    if head.windows(DOCUMENT.len()).any(|part| part == DOCUMENT) {
        return Err(BadContent::Unknown);
    }
    if let Some(chunks) = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n") {
        let is_whole = is_whole_png(chunks).unwrap_or(false);
        return known(is_whole && !hides_archive(bytes), PassKind::Png);
    }
    if let Some(segments) = bytes.strip_prefix(b"\xff\xd8") {
        let is_whole = is_whole_jpeg(segments).unwrap_or(false);
        return known(is_whole && !hides_archive(bytes), PassKind::Jpeg);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        look_into_archive(bytes, max_bytes.saturating_mul(UNPACKED_TIMES))?;
        return Ok(PassKind::Pkpass);
    }
    Err(BadContent::Unknown)
}

/// A document ends with its mark and white space.
fn is_whole_document(bytes: &[u8]) -> bool {
    let end = bytes.trim_ascii_end();
    let is_short = bytes.len() - end.len() <= DOCUMENT_TAIL;
    is_short && end.ends_with(b"%%EOF")
}

/// Whether there is an archive in a file of another kind: those are read from their end, wherever they
/// begin and whatever follows. The four bytes that mark an end may be there by chance, so its list must be
/// there too.
fn hides_archive(bytes: &[u8]) -> bool {
    let ends = bytes.windows(END.len()).enumerate().filter(|(_, part)| *part == END);
    ends.map(|(at, _)| at).any(|at| {
        let list_len = long(bytes, at.saturating_add(12));
        let list_at = list_len.and_then(|length| at.checked_sub(length));
        // The list of a large archive is told of elsewhere.
        let before = at.checked_sub(LARGE_END_BYTES).and_then(|at| bytes.get(at..));
        let is_large = before.is_some_and(|before| before.starts_with(b"PK\x06\x07"));
        let list = list_at.and_then(|at| bytes.get(at..));
        is_large || list.is_some_and(|list| list.starts_with(b"PK\x01\x02"))
    })
}

/// The chunks of a picture, of which `IEND` is the last and the end of the file.
fn is_whole_png(mut rest: &[u8]) -> Option<bool> {
    let mut is_first = true;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (name, after) = after.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (_, after) = after.split_at_checked(length)?;
        let (_checksum, after) = after.split_first_chunk::<4>()?;
        if is_first && name != b"IHDR" {
            return Some(false);
        }
        if name == b"IEND" {
            return Some(after.is_empty() && length == 0);
        }
        (rest, is_first) = (after, false);
    }
}

/// The segments of a picture up to its image, which ends with the end of the file. Between the image's
/// parts may be further segments.
fn is_whole_jpeg(mut rest: &[u8]) -> Option<bool> {
    const END: u8 = 0xd9;
    const IMAGE: u8 = 0xda;
    let mut has_image = false;
    loop {
        let (&0xff, after) = rest.split_first()? else { return Some(false) };
        let (&marker, after) = after.split_first()?;
        match marker {
            // Bytes that only fill up.
            0xff => {
                rest = rest.split_first()?.1;
                continue;
            }
            END => return Some(has_image && after.is_empty()),
            0x01 | 0xd0..=0xd8 | 0x00 => return Some(false),
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes(*after.first_chunk::<2>()?));
        let (_, after) = after.split_at_checked(length.max(2))?;
        rest = if marker == IMAGE { after.get(image_len(after)?..)? } else { after };
        has_image |= marker == IMAGE;
    }
}

/// How long the data of an image is: up to a marker that is not part of it.
fn image_len(bytes: &[u8]) -> Option<usize> {
    let is_marker =
        |pair: &[u8]| matches!(pair, [0xff, next] if *next != 0 && !(0xd0..=0xd7).contains(next));
    bytes.windows(2).position(is_marker)
}

/// Where the end of an archive is told.
fn find_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(END.len()).rposition(|part| part == END)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    let part = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_le_bytes(*part))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    let part = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*part)).ok()
}

/// Looks whether an archive is a wallet's pass: its list lies right before its end, which is the end of the
/// file; it has what such a pass has; and all its files together are no larger than they may be.
fn look_into_archive(bytes: &[u8], most: usize) -> Result<(), BadContent> {
    let files = files_of(bytes).ok_or(BadContent::Unknown)?;
    let needed = ["pass.json", "manifest.json", "signature"];
    let has = |name: &str| files.iter().any(|file| file.name == name.as_bytes());
    if !needed.into_iter().all(has) {
        return Err(BadContent::Unknown);
    }
    let mut left = most;
    for file in &files {
        let unpacked = unpacked_len(file, left)?;
        left = left.checked_sub(unpacked).ok_or(BadContent::TooLarge)?;
    }
    Ok(())
}

/// A file in an archive.
struct Packed<'a> {
    name: &'a [u8],
    is_deflated: bool,
    data: &'a [u8],
    length: usize,
}

fn files_of(bytes: &[u8]) -> Option<Vec<Packed<'_>>> {
    let end = find_end(bytes)?;
    let count = short(bytes, end + 10)?;
    let (list_len, list_at) = (long(bytes, end + 12)?, long(bytes, end + 16)?);
    let is_sound = end + END_BYTES == bytes.len()
        && short(bytes, end + 20)? == 0
        && (1..=MOST_FILES).contains(&count)
        && list_at.checked_add(list_len)? == end;
    if !is_sound {
        return None;
    }
    let mut files = Vec::new();
    let (mut at, mut data_end) = (list_at, 0);
    for _ in 0..count {
        let entry = bytes.get(at..end)?;
        entry.strip_prefix(b"PK\x01\x02")?;
        let name_len = usize::from(short(entry, 28)?);
        let name = entry.get(ENTRY_BYTES..ENTRY_BYTES + name_len)?;
        let data_at = long(entry, 42)?;
        let local = bytes.get(data_at..list_at)?;
        local.strip_prefix(b"PK\x03\x04")?;
        let head = 30 + usize::from(short(local, 26)?) + usize::from(short(local, 28)?);
        let data = local.get(head..head.checked_add(long(entry, 20)?)?)?;
        // Two files of the same bytes make an archive larger than it is.
        if data_at < data_end {
            return None;
        }
        data_end = data_at + head + data.len();
        let is_deflated = match short(entry, 10)? {
            0 => false,
            8 => true,
            _ => return None,
        };
        files.push(Packed { name, is_deflated, data, length: long(entry, 24)? });
        at += ENTRY_BYTES + name_len + usize::from(short(entry, 30)?);
        at += usize::from(short(entry, 32)?);
    }
    (at == end).then_some(files)
}

/// How long a file is unpacked, whatever its archive says.
fn unpacked_len(file: &Packed<'_>, most: usize) -> Result<usize, BadContent> {
    if !file.is_deflated {
        return Ok(file.data.len());
    }
    if file.length > most {
        return Err(BadContent::TooLarge);
    }
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut unpacked = DeflateDecoder::new(file.data).take(limit);
    let length = io::copy(&mut unpacked, &mut io::sink()).map_err(|_| BadContent::Unknown)?;
    usize::try_from(length).map_err(|_| BadContent::TooLarge)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    const MAX: usize = 64 * 1024;

    fn png() -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        for (name, data) in [(b"IHDR", &[0; 13][..]), (b"IDAT", b"data"), (b"IEND", b"")] {
            let length = u32::try_from(data.len()).unwrap();
            bytes.extend(length.to_be_bytes());
            bytes.extend(name);
            bytes.extend(data);
            bytes.extend([0; 4]);
        }
        bytes
    }

    fn jpeg() -> Vec<u8> {
        b"\xff\xd8\xff\xe0\x00\x04JF\xff\xda\x00\x03\x01image\xff\x00more\xff\xd0on\xff\xd9"
            .to_vec()
    }

    fn pdf() -> Vec<u8> {
        b"%PDF-1.7\n1 0 obj\nendobj\ntrailer\n%%EOF\n".to_vec()
    }

    /// An archive of files, each of which says that it is that long.
    fn archive(files: &[(&str, &[u8], Option<usize>)]) -> Vec<u8> {
        let (mut bytes, mut list) = (Vec::new(), Vec::new());
        for (name, content, says) in files {
            let mut packed = DeflateEncoder::new(Vec::new(), Compression::best());
            packed.write_all(content).unwrap();
            let packed = packed.finish().unwrap();
            let name_len = u16::try_from(name.len()).unwrap().to_le_bytes();
            let sizes = [packed.len(), says.unwrap_or(content.len())];
            let sizes = sizes.map(|size| u32::try_from(size).unwrap().to_le_bytes()).concat();
            let at = u32::try_from(bytes.len()).unwrap().to_le_bytes();
            let middle = [&[20, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &sizes].concat();
            bytes
                .extend([b"PK\x03\x04", &middle[..], &name_len, &[0, 0], name.as_bytes()].concat());
            bytes.extend(&packed);
            let rest = [0; 12];
            let head = [b"PK\x01\x02\x14\x00", &middle[..], &name_len, &rest[..], &at].concat();
            list.extend([&head, name.as_bytes()].concat());
        }
        let (at, count) = (bytes.len(), u16::try_from(files.len()).unwrap().to_le_bytes());
        let numbers = [list.len(), at].map(|number| u32::try_from(number).unwrap().to_le_bytes());
        bytes.extend(&list);
        bytes.extend(
            [b"PK\x05\x06", &[0; 4][..], &count, &count, &numbers.concat(), &[0, 0]].concat(),
        );
        bytes
    }

    fn pkpass() -> Vec<u8> {
        archive(&[
            ("pass.json", b"{\"serialNumber\":\"1\"}", None),
            ("manifest.json", b"{}", None),
            ("signature", b"signed", None),
        ])
    }

    fn kind(bytes: &[u8]) -> Result<PassKind, BadContent> {
        kind_of(bytes, MAX)
    }

    #[test]
    fn a_file_is_told_by_its_bytes() {
        assert_eq!(kind(&pdf()), Ok(PassKind::Pdf));
        assert_eq!(kind(&png()), Ok(PassKind::Png));
        assert_eq!(kind(&jpeg()), Ok(PassKind::Jpeg));
        assert_eq!(kind(&pkpass()), Ok(PassKind::Pkpass));
        for other in [&b""[..], b"GIF89a", b"<svg/>", b"MZ", b"%PDF", b"\n%PDF-1.7\n%%EOF"] {
            assert_eq!(kind(other), Err(BadContent::Unknown), "{other:?}");
        }
    }

    #[test]
    fn a_file_that_is_cut_short_or_goes_on_is_refused() {
        for whole in [pdf(), png(), jpeg(), pkpass()] {
            for length in 0..whole.len() - 1 {
                assert_eq!(kind(&whole[..length]), Err(BadContent::Unknown), "{length}");
            }
            for more in [&b"<script>"[..], &pdf(), &pkpass(), b"\0"] {
                let both = [&whole, more].concat();
                let is_document_of_two = whole == pdf() && more == pdf();
                if !is_document_of_two {
                    assert_eq!(kind(&both), Err(BadContent::Unknown), "{both:?}");
                }
            }
        }
    }

    #[test]
    fn an_archive_in_a_document_is_found() {
        let hidden = [b"%PDF-1.7\n", &pkpass()[..], b"\n%%EOF\n"].concat();
        assert_eq!(kind(&hidden), Err(BadContent::Unknown));
        let in_front = [b"%PDF-1.7\n%%EOF\n", &pkpass()[..]].concat();
        assert_eq!(kind(&in_front), Err(BadContent::Unknown));
    }

    /// A picture with a part that says nothing.
    fn png_with(more: &[u8]) -> Vec<u8> {
        let (bytes, length) = (png(), u32::try_from(more.len()).unwrap());
        let part = [&length.to_be_bytes(), b"noTe", more, &[0; 4]].concat();
        let at = 8 + 12 + 13;
        [&bytes[..at], &part, &bytes[at..]].concat()
    }

    fn jpeg_with(more: &[u8]) -> Vec<u8> {
        let length = u16::try_from(more.len() + 2).unwrap();
        let part = [&[0xff, 0xfe], &length.to_be_bytes()[..], more].concat();
        [&jpeg()[..2], &part, &jpeg()[2..]].concat()
    }

    #[test]
    fn nothing_else_is_hidden_in_a_picture() {
        assert_eq!(kind(&png_with(b"a note")), Ok(PassKind::Png));
        assert_eq!(kind(&jpeg_with(b"a note")), Ok(PassKind::Jpeg));
        let mut large = pkpass();
        let end = large.len() - END_BYTES;
        large.splice(end..end, [b"PK\x06\x07", [0; 16].as_slice()].concat());
        for hidden in [pkpass(), large, pdf()] {
            assert_eq!(kind(&png_with(&hidden)), Err(BadContent::Unknown));
            assert_eq!(kind(&jpeg_with(&hidden)), Err(BadContent::Unknown));
        }
        let named = archive(&[("%PDF-1.7\n%%EOF", b"", None), ("pass.json", b"{}", None)]);
        assert_eq!(kind(&named), Err(BadContent::Unknown));
        // Four bytes may be there by chance.
        for by_chance in
            [&b"PK\x05\x06"[..], b"PK\x05\x06 and what follows it, which is no archive"]
        {
            assert_eq!(kind(&png_with(by_chance)), Ok(PassKind::Png));
            let document = [b"%PDF-1.7\n", by_chance, b"\n%%EOF\n"].concat();
            assert_eq!(kind(&document), Ok(PassKind::Pdf));
        }
    }

    #[test]
    fn a_wallets_pass_has_what_such_a_pass_has() {
        let without = archive(&[("pass.json", b"{}", None), ("manifest.json", b"{}", None)]);
        assert_eq!(kind(&without), Err(BadContent::Unknown));
        assert_eq!(
            kind(b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            Err(BadContent::Unknown)
        );
    }

    #[test]
    fn what_is_too_large_when_it_is_unpacked_is_refused_whatever_it_says() {
        let zeros = vec![0; UNPACKED_TIMES * MAX + 1];
        for says in [None, Some(10)] {
            let bomb = archive(&[
                ("pass.json", &zeros, says),
                ("manifest.json", b"{}", None),
                ("signature", b"", None),
            ]);
            assert!(bomb.len() < MAX / 10);
            assert_eq!(kind(&bomb), Err(BadContent::TooLarge));
        }
        let half = &zeros[..zeros.len() / 2 + 1];
        let together = archive(&[
            ("pass.json", half, None),
            ("manifest.json", half, None),
            ("signature", b"", None),
        ]);
        assert_eq!(kind(&together), Err(BadContent::TooLarge));
    }

    #[test]
    fn nothing_makes_it_panic() {
        for whole in [pdf(), png(), jpeg(), pkpass()] {
            for at in 0..whole.len() {
                for byte in [0, 1, 0x7f, 0xff] {
                    let mut damaged = whole.clone();
                    damaged[at] = byte;
                    let _ = kind(&damaged);
                }
            }
        }
    }
}
