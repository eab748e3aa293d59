//! One keep-alive connection.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http::{Head, parse_head};

/// An answer. It lives until the connection's next request.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'c> {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: &'c [u8],
}

/// A connection that has at most one request under way.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(target: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and waits for the whole answer.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        let head = self.read_head().await?;
        let body_len =
            head.body_len.ok_or_else(|| broken("an answer in chunks is not expected here"))?;
        while self.buffer.len() < head.len + body_len {
            self.read_more().await?;
        }
        Ok(Answer { status: head.status, body: &self.buffer[head.len..head.len + body_len] })
    }

    /// Sends a request whose answer is a stream; what follows the head is read by [`Self::chunks`].
    pub async fn begin_stream(&mut self, request: &[u8]) -> io::Result<u16> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        let head = self.read_head().await?;
        self.buffer.drain(..head.len);
        Ok(head.status)
    }

    /// Shows the chunks that have arrived of a stream, after waiting for at least one.
    pub async fn chunks(&mut self, mut show: impl FnMut(&[u8])) -> io::Result<()> {
        let mut shown = false;
        while !shown {
            while let Some((start, end)) = next_chunk(&self.buffer)? {
                show(&self.buffer[start..end]);
                shown = true;
                self.buffer.drain(..end + 2);
            }
            if !shown {
                self.read_more().await?;
            }
        }
        Ok(())
    }

    async fn read_head(&mut self) -> io::Result<Head> {
        loop {
            self.read_more().await?;
            if let Some(head) = parse_head(&self.buffer).map_err(broken)? {
                return Ok(head);
            }
        }
    }

    async fn read_more(&mut self) -> io::Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up"));
        }
        Ok(())
    }
}

/// Where the data of the next chunk starts and ends; `None` if it has not arrived whole.
fn next_chunk(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(line_end) = memchr::memmem::find(bytes, b"\r\n") else { return Ok(None) };
    let size = std::str::from_utf8(&bytes[..line_end]).ok();
    let size = size.and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
    let size = size.ok_or_else(|| broken("a chunk without a size"))?;
    if size == 0 {
        return Err(broken("the stream has ended"));
    }
    let (start, end) = (line_end + 2, line_end + 2 + size);
    Ok((bytes.len() >= end + 2).then_some((start, end)))
}

fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_found_once_they_are_whole() {
        let bytes = b"5\r\nhello\r\n1\r\n!\r\n";
        assert_eq!(next_chunk(&bytes[..9]).unwrap(), None);
        assert_eq!(next_chunk(bytes).unwrap(), Some((3, 8)));
        assert_eq!(next_chunk(&bytes[10..]).unwrap(), Some((3, 4)));
        assert!(next_chunk(b"0\r\n\r\n").is_err());
        assert!(next_chunk(b"zz\r\n\r\n").is_err());
    }
}
