//! The stream under a connection: cuts off clients that do not read, lets
//! clients read a last answer before the door shuts, and shows the
//! [`HeadTap`] what arrives.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use super::connections::Traffic;
use super::framing::HeadTap;

/// A stream with a limit on how long one write may wait for the client.
///
/// The limit is on progress, not on the whole answer: an event stream may go
/// on for days as long as the client takes what it is sent.
///
/// On shutdown the write side is closed first and what still arrives is thrown
/// away, for a while. Closing at once while the client is still sending would
/// make its system drop the answer unread (a connection reset), and the client
/// would never learn why its 10 MB were refused.
pub struct Socket<S> {
    stream: S,
    write_limit: Duration,
    linger_limit: Duration,
    /// When a write that waits for the client is given up; `None` while writes succeed.
    stalled: Option<Pin<Box<Sleep>>>,
    /// When lingering ends; `None` until the write side is closed.
    lingering: Option<Pin<Box<Sleep>>>,
    /// Turns true when the server stops; nobody lingers then.
    draining: watch::Receiver<bool>,
    tap: Arc<Mutex<HeadTap>>,
    traffic: Traffic,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Guards a stream.
    pub fn new(
        stream: S,
        write_limit: Duration,
        linger_limit: Duration,
        draining: watch::Receiver<bool>,
        tap: Arc<Mutex<HeadTap>>,
        traffic: Traffic,
    ) -> Self {
        Self {
            stream,
            write_limit,
            linger_limit,
            stalled: None,
            lingering: None,
            draining,
            tap,
            traffic,
        }
    }

    /// Lets a write through that succeeds, and fails one that has waited too long.
    fn limit<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if write.is_ready() {
            if self.stalled.take().is_some() {
                self.traffic.note_sending(false);
            }
            return write;
        }
        self.traffic.note_sending(true);
        let write_limit = self.write_limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(write_limit)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }

    /// Throws away what the client still sends, until it closes or the time is up.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(lingering) = self.lingering.as_mut() else { return Poll::Ready(()) };
        let deadline = lingering.deadline();
        let mut bytes = [0_u8; 8 * 1024];
        loop {
            let is_over = *self.draining.borrow() || Instant::now() >= deadline;
            if is_over || lingering.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let already_filled = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let arrived = buffer.filled().get(already_filled..).unwrap_or_default();
        self.tap.lock().unwrap_or_else(PoisonError::into_inner).observe(arrived);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.limit(cx, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.limit(cx, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flush = Pin::new(&mut self.stream).poll_flush(cx);
        self.limit(cx, flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let shutdown = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.limit(cx, shutdown))?;
            self.lingering = Some(Box::pin(tokio::time::sleep(self.linger_limit)));
        }
        self.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;
    use crate::http::edge::connections::Connections;

    const WRITE_LIMIT: Duration = Duration::from_secs(30);
    const LINGER_LIMIT: Duration = Duration::from_secs(2);

    /// A guarded end of a pipe that holds 16 bytes, and the client's end.
    fn pipe() -> (Socket<DuplexStream>, DuplexStream, watch::Sender<bool>) {
        let (ours, theirs) = tokio::io::duplex(16);
        let (drain, draining) = watch::channel(false);
        let tap = Arc::new(Mutex::new(HeadTap::default()));
        let local = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let traffic = Connections::new(1, None).admit(local.into()).unwrap().traffic();
        (Socket::new(ours, WRITE_LIMIT, LINGER_LIMIT, draining, tap, traffic), theirs, drain)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_reads_is_cut_off() {
        let (mut socket, _client, _drain) = pipe();
        let began = Instant::now();
        let error = socket.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), WRITE_LIMIT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_may_take_its_time() {
        let (mut socket, mut client, _drain) = pipe();
        let reader = tokio::spawn(async move {
            let mut bytes = [0; 16];
            for _ in 0..10 {
                tokio::time::sleep(WRITE_LIMIT - Duration::from_secs(1)).await;
                client.read_exact(&mut bytes).await.unwrap();
            }
        });
        let began = Instant::now();
        socket.write_all(&[0; 160]).await.unwrap();
        assert!(began.elapsed() > WRITE_LIMIT * 8);
        reader.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_takes_in_what_the_client_still_sends() {
        let (mut socket, mut client, _drain) = pipe();
        let sender = tokio::spawn(async move {
            client.write_all(&[0; 100_000]).await.unwrap();
            client
        });
        let began = Instant::now();
        socket.shutdown().await.unwrap();
        let mut client = sender.await.unwrap();
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0, "the answer is complete");
        assert_eq!(began.elapsed().as_secs(), LINGER_LIMIT.as_secs(), "and the wait is bounded");
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_ends_when_the_client_closes_or_the_server_drains() {
        let (mut socket, client, _drain) = pipe();
        drop(client);
        let began = Instant::now();
        socket.shutdown().await.unwrap();
        let (mut socket, _client, drain) = pipe();
        drain.send_replace(true);
        socket.shutdown().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
