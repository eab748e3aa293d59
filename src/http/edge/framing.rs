//! What a request said about its own length, word for word.
//!
//! hyper settles contradictions quietly: next to `transfer-encoding` it drops
//! `content-length`, and it merges equal `content-length` lines. A proxy in
//! front may settle the same contradiction the other way and so see another
//! request than this server does. Such requests must be refused, and the only
//! place where they can be told apart is the bytes themselves. So the socket
//! shows this tap every byte it reads, and the tap follows the connection from
//! head to head: the end of a head it sees, and how long the body is hyper says.
//! Nothing here decides how a request is read; it only counts lines.

use std::mem;

/// How long the body of the request is whose head was just read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// So many bytes, possibly none.
    Bytes(u64),
    /// As many as its chunks say. The tap does not follow chunks, so this
    /// request must be the last one on its connection.
    Chunked,
}

/// The lines of a head that say how long the body is. An extension of every
/// request that came over a socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeclaredFraming {
    /// How many `content-length` lines there are.
    pub content_lengths: usize,
    /// How many `transfer-encoding` lines there are.
    pub transfer_encodings: usize,
}

/// Follows the bytes of one connection from head to head.
#[derive(Debug)]
pub struct HeadTap {
    position: Position,
}

#[derive(Debug)]
enum Position {
    /// In a head, or before one, with what has arrived of it. hyper stops
    /// reading when a head outgrows its buffer, which bounds this one too.
    Head(Vec<u8>),
    /// In a body that has so many bytes left.
    Body(u64),
    /// After a head that was the last one.
    Lost,
}

/// The tap of a new connection.
impl Default for HeadTap {
    fn default() -> Self {
        Self { position: Position::Head(Vec::new()) }
    }
}

impl HeadTap {
    /// Takes note of bytes that arrived.
    pub fn observe(&mut self, mut bytes: &[u8]) {
        if let Position::Body(left) = &mut self.position {
            let skipped = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
            *left -= u64::try_from(skipped).unwrap_or(u64::MAX);
            bytes = bytes.get(skipped..).unwrap_or_default();
            if *left > 0 {
                return;
            }
            self.position = Position::Head(Vec::new());
        }
        if let Position::Head(head) = &mut self.position {
            head.extend_from_slice(bytes);
        }
    }

    /// Counts the lines of the head that hyper has just parsed and moves on past its body.
    pub fn take_head(&mut self, body: BodyLength) -> DeclaredFraming {
        let Position::Head(seen) = mem::replace(&mut self.position, Position::Lost) else {
            return DeclaredFraming::default();
        };
        let (declared, after_head) = count(&seen);
        if let BodyLength::Bytes(length) = body {
            self.position = Position::Body(length);
            self.observe(after_head);
        }
        declared
    }
}

/// Counts the framing lines of the head at the start of `bytes`, and returns
/// what follows the head. Lines end as hyper's parser lets them end, with or
/// without a carriage return, and empty lines may come first.
fn count(bytes: &[u8]) -> (DeclaredFraming, &[u8]) {
    let mut declared = DeclaredFraming::default();
    let mut rest = bytes;
    while let [b'\r' | b'\n', after @ ..] = rest {
        rest = after;
    }
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let (line, after) = rest.split_at_checked(end).unwrap_or_default();
        rest = after.get(1..).unwrap_or_default();
        if matches!(line, [] | b"\r") {
            break;
        }
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        if name.eq_ignore_ascii_case(b"content-length") {
            declared.content_lengths += 1;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            declared.transfer_encodings += 1;
        }
    }
    (declared, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: DeclaredFraming = DeclaredFraming { content_lengths: 1, transfer_encodings: 1 };
    const NEITHER: DeclaredFraming = DeclaredFraming { content_lengths: 0, transfer_encodings: 0 };

    #[test]
    fn lines_are_counted_however_they_are_written() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTRANSFER-ENCODING: chunked\r\n\r\n",
            "\r\n\nPOST / HTTP/1.1\ntransfer-encoding: chunked\ncontent-length: 1\n\n",
        ] {
            let mut tap = HeadTap::default();
            tap.observe(head.as_bytes());
            assert_eq!(tap.take_head(BodyLength::Chunked), BOTH, "{head:?}");
        }
    }

    #[test]
    fn what_a_body_says_is_not_part_of_a_head() {
        let body = "content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut tap = HeadTap::default();
        tap.observe(b"POST / HTTP/1.1\r\ncontent-length: 48\r\n\r\n");
        assert_eq!(tap.take_head(BodyLength::Bytes(48)).content_lengths, 1);
        tap.observe(body.as_bytes());
        tap.observe(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(tap.take_head(BodyLength::Bytes(0)), NEITHER);
    }

    #[test]
    fn after_a_chunked_body_nothing_is_counted() {
        let mut tap = HeadTap::default();
        tap.observe(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
        assert_eq!(tap.take_head(BodyLength::Chunked).transfer_encodings, 1);
        tap.observe(b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(tap.take_head(BodyLength::Bytes(0)), NEITHER);
    }

    proptest! {
        /// Pipelined requests are told apart however the bytes are cut into
        /// reads. As with hyper, a head is taken once it is there completely.
        #[test]
        fn heads_are_followed_through_any_cuts(
            bodies in prop::collection::vec((0_u64..40, 0_usize..3), 1..6),
            cut in 1_usize..50,
        ) {
            let mut stream = Vec::new();
            let mut head_ends = Vec::new();
            for (length, lines) in &bodies {
                stream.extend_from_slice(b"POST / HTTP/1.1\r\n");
                for _ in 0..*lines {
                    stream.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
                }
                stream.extend_from_slice(b"\r\n");
                head_ends.push(stream.len());
                let filler = b"content-length: 1\r\n\r\n".iter().cycle();
                stream.extend(filler.take(usize::try_from(*length).unwrap()));
            }
            let mut tap = HeadTap::default();
            let mut read = 0;
            let mut next = 0;
            for piece in stream.chunks(cut) {
                tap.observe(piece);
                read += piece.len();
                while next < bodies.len() && head_ends[next] <= read {
                    let (length, lines) = bodies[next];
                    let declared = tap.take_head(BodyLength::Bytes(length));
                    prop_assert_eq!(declared.content_lengths, lines);
                    next += 1;
                }
            }
            prop_assert_eq!(next, bodies.len());
        }
    }
}
