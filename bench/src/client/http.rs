//! As much of HTTP/1.1 as a client needs that knows the servers it talks to.

use memchr::memmem;

/// An answer's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// How long the head is, in bytes, with its empty line.
    pub len: usize,
    /// How long the body is, in bytes; `None` if it comes in chunks.
    pub body_len: Option<usize>,
}

/// Reads the head of an answer; `None` if it has not arrived whole.
///
/// # Errors
///
/// What is wrong with it.
pub fn parse_head(bytes: &[u8]) -> Result<Option<Head>, &'static str> {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = &bytes[..end + 2];
    let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| number(rest.get(..3)?));
    let status = status.ok_or("an answer does not start as HTTP/1.1 does")?;
    let status = u16::try_from(status).map_err(|_| "a status that is no status")?;
    // All the servers here write names in lower case.
    let body_len = match field(head, b"\r\ncontent-length: ") {
        Some(value) => Some(number(value).ok_or("a content-length that is no number")?),
        None if field(head, b"\r\ntransfer-encoding: ").is_some() => None,
        None => Some(0),
    };
    Ok(Some(Head { status, len: end + 4, body_len }))
}

fn field<'h>(head: &'h [u8], start: &[u8]) -> Option<&'h [u8]> {
    let value = &head[memmem::find(head, start)? + start.len()..];
    value.get(..memchr::memchr(b'\r', value)?)
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The text of a JSON field whose name is given with its quotes and colon, such as `"id":"`.
pub fn text_after<'b>(body: &'b [u8], start: &[u8]) -> Option<&'b str> {
    let text = &body[memmem::find(body, start)? + start.len()..];
    std::str::from_utf8(text.get(..memchr::memchr(b'"', text)?)?).ok()
}

/// Makes a request of a head without its last line and a body.
pub fn post(request: &mut Vec<u8>, path: &str, headers: &[u8], body: &[u8]) {
    request.extend_from_slice(b"POST ");
    request.extend_from_slice(path.as_bytes());
    request.extend_from_slice(b" HTTP/1.1\r\nhost: localhost\r\n");
    request.extend_from_slice(headers);
    request.extend_from_slice(b"content-type: application/json\r\ncontent-length: ");
    request.extend_from_slice(body.len().to_string().as_bytes());
    request.extend_from_slice(b"\r\n\r\n");
    request.extend_from_slice(body);
}

/// Makes a request without a body.
pub fn bare(request: &mut Vec<u8>, method: &str, path: &str, headers: &[u8]) {
    request.extend_from_slice(method.as_bytes());
    request.push(b' ');
    request.extend_from_slice(path.as_bytes());
    request.extend_from_slice(b" HTTP/1.1\r\nhost: localhost\r\n");
    request.extend_from_slice(headers);
    request.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_status_and_length() {
        let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 12\r\nx: y\r\n\r\n{\"id\":\"a_1\"}";
        let head = parse_head(answer).unwrap().unwrap();
        assert_eq!((head.status, head.body_len), (201, Some(12)));
        assert_eq!(text_after(&answer[head.len..], b"\"id\":\""), Some("a_1"));
        assert_eq!(text_after(&answer[head.len..], b"\"name\":\""), None);
        for cut in 0..head.len {
            assert_eq!(parse_head(&answer[..cut]).unwrap(), None, "{cut}");
        }
    }

    #[test]
    fn an_answer_may_have_no_body_or_one_in_chunks() {
        let none = parse_head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap();
        assert_eq!(none.body_len, Some(0));
        let chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(parse_head(chunks).unwrap().unwrap().body_len, None);
    }

    #[test]
    fn what_is_not_http_is_told() {
        for wrong in [
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 2x1 \r\n\r\n",
            "HTTP/1.1 200\r\ncontent-length: -1\r\n\r\n",
        ] {
            assert!(parse_head(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn requests_are_complete() {
        let mut request = Vec::new();
        post(&mut request, "/a", b"x: y\r\n", b"{}");
        let expected = "POST /a HTTP/1.1\r\nhost: localhost\r\nx: y\r\n\
                        content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(std::str::from_utf8(&request), Ok(expected));
        request.clear();
        bare(&mut request, "GET", "/a", b"");
        assert_eq!(request, b"GET /a HTTP/1.1\r\nhost: localhost\r\n\r\n");
    }
}
