//! Letters by SMTP, to a server in a process of its own that refuses, hangs, drops and is slow. Run by
//! scripts/test-mail.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use gittix::domain::{Email, Timestamp};
use gittix::mail::texts::Text;
use gittix::mail::{Letter, SendError, Sender, SmtpTransport, Transport as _};
use serde_json::Value;

/// The mail server. It ends with the test.
struct Server {
    child: Child,
    port: u64,
    taken: Receiver<Value>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(mode: &str) -> Self {
        let variable = |name| std::env::var(name).expect("scripts/test-mail sets it");
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/fixture.py");
        let mut child = Command::new(variable("MAIL_FIXTURE_PYTHON"))
            .arg(fixture)
            .args(["serve", mode, &variable("MAIL_FIXTURE_FOLDER")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (tell, taken) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let told = serde_json::from_str(&line).unwrap_or(Value::Null);
                if tell.send(told).is_err() {
                    return;
                }
            }
        });
        let first: Value = taken.recv_timeout(Duration::from_secs(20)).expect("a server");
        Self { child, port: first["port"].as_u64().expect("its port"), taken }
    }

    /// What the server has taken next: to whom, the letter, and whether it came over TLS.
    fn next(&self) -> (String, String, bool) {
        let next = self.taken.recv_timeout(Duration::from_secs(20)).expect("a letter");
        let letter = next["letter"].as_str().expect("its bytes");
        let letter = base64::engine::general_purpose::STANDARD.decode(letter).expect("base64");
        let to = next["to"][0].as_str().expect("an address").to_owned();
        (to, String::from_utf8(letter).expect("text"), next["tls"] == true)
    }
}

fn transport(url: &str) -> SmtpTransport {
    let folder = std::env::var("MAIL_FIXTURE_FOLDER").expect("scripts/test-mail sets it");
    let authority = std::fs::read(Path::new(&folder).join("ca.pem")).expect("an authority");
    transport_that_trusts(url, Some(&authority))
}

fn transport_that_trusts(url: &str, authority: Option<&[u8]>) -> SmtpTransport {
    let from: Sender = "GitTix <tickets@shop.example>".parse().expect("a sender");
    let server = url.parse().expect("an address of a server");
    SmtpTransport::new(server, from, authority).expect("a transport")
}

fn letter_to(to: &str) -> Letter {
    Letter {
        id: format!(
            "order-paid.order_1.{}",
            to.replace(|it: char| !it.is_ascii_alphanumeric(), ".")
        ),
        to: Email::parse(to).expect("an address"),
        at: Timestamp::from_millis(1_700_000_000_000),
        text: Text {
            subject: "Bezahlt: Größe".to_owned(),
            plain: "Sie haben bezahlt.\n.\nSchöne Grüße".to_owned(),
            html: "<p>Sie haben bezahlt.</p>".to_owned(),
        },
    }
}

#[tokio::test]
#[ignore = "needs a mail server in Python: run scripts/test-mail"]
async fn a_letter_arrives_whole_by_every_way_there_is() {
    for (mode, url, is_secure) in [
        ("plain", "smtp://localhost:PORT", false),
        ("starttls", "smtp://localhost:PORT?tls=required", true),
        ("offered", "smtp://localhost:PORT", false),
        ("tls", "smtps://localhost:PORT", true),
        ("login", "smtp://shop:secret@localhost:PORT", false),
    ] {
        let server = Server::start(mode);
        let transport = transport(&url.replace("PORT", &server.port.to_string()));
        transport.send(&letter_to("ana@bücher.example")).await.expect("a server that takes it");
        let (to, letter, came_over_tls) = server.next();
        assert_eq!(
            (to.as_str(), came_over_tls),
            ("ana@xn--bcher-kva.example", is_secure),
            "{mode}"
        );
        assert!(letter.contains("Message-ID: <order-paid.order_1."), "{letter}");
        assert!(letter.contains("From: GitTix <tickets@shop.example>"), "{letter}");
        assert!(letter.contains("text/plain") && letter.contains("text/html"), "{letter}");
        let named = transport.describe();
        assert!(named.contains("localhost") && !named.contains("secret"), "{named}");
    }
}

#[tokio::test]
#[ignore = "needs a mail server in Python: run scripts/test-mail"]
async fn what_a_server_says_decides_whether_a_letter_is_tried_again() {
    let server = Server::start("plain");
    let transport = transport(&format!("smtp://localhost:{}", server.port));
    let send = async |to: &str| transport.send(&letter_to(to)).await;
    for (name, code) in [("refused", "550"), ("spam", "554")] {
        let sent = send(&format!("{name}@shop.example")).await;
        assert!(matches!(&sent, Err(SendError::Refused(why)) if why.contains(code)), "{sent:?}");
    }
    for name in ["busy", "closed", "full", "dropped", "cut"] {
        let sent = send(&format!("{name}@shop.example")).await;
        assert!(matches!(sent, Err(SendError::NotTaken(_))), "{name}: {sent:?}");
    }
    assert_eq!(send("slow@shop.example").await, Ok(()), "it may take its time");
    let began = tokio::time::Instant::now();
    let sent = send("hanging@shop.example").await;
    assert!(matches!(sent, Err(SendError::NotTaken(_))), "{sent:?}");
    assert!(began.elapsed() < Duration::from_secs(29), "less than whoever asks it waits");
    let began = tokio::time::Instant::now();
    assert_eq!(send("unmoved@shop.example").await, Ok(()));
    assert!(began.elapsed() < Duration::from_secs(20), "nobody waits for a goodbye");
    assert_eq!(server.next().0, "slow@shop.example");
    assert_eq!(server.next().0, "unmoved@shop.example");
    assert_eq!(send("ana@shop.example").await, Ok(()), "none is the next one's concern");
    assert_eq!(server.next().0, "ana@shop.example");
}

#[tokio::test]
#[ignore = "needs a mail server in Python: run scripts/test-mail"]
async fn what_an_operator_has_to_mend_loses_no_letter() {
    let login = Server::start("login");
    let tls = Server::start("tls");
    let plain = Server::start("plain");
    let strangers = Server::start("strangers");
    let gone = Server::start("plain").port;
    for url in [
        format!("smtp://shop:wrong@localhost:{}", login.port),
        format!("smtp://localhost:{}", login.port),
        // The certificate is for another name.
        format!("smtps://127.0.0.1:{}", tls.port),
        format!("smtp://localhost:{}?tls=required", plain.port),
        // It takes nothing of this sender's.
        format!("smtp://localhost:{}", strangers.port),
        format!("smtp://localhost:{gone}"),
    ] {
        let sent = transport(&url).send(&letter_to("ana@shop.example")).await;
        assert!(matches!(sent, Err(SendError::NotTaken(_))), "{url}: {sent:?}");
    }
}

#[tokio::test]
#[ignore = "needs a mail server in Python: run scripts/test-mail"]
async fn an_authority_of_one_s_own_is_trusted_only_where_it_is_named() {
    let tls = Server::start("tls");
    let transport = transport_that_trusts(&format!("smtps://localhost:{}", tls.port), None);
    let sent = transport.send(&letter_to("ana@shop.example")).await;
    assert!(matches!(sent, Err(SendError::NotTaken(_))), "{sent:?}");
}

#[tokio::test]
#[ignore = "needs a mail server in Python: run scripts/test-mail"]
async fn nothing_in_a_letter_becomes_a_header_or_ends_it() {
    let server = Server::start("plain");
    let mut letter = letter_to("ana@shop.example");
    letter.text.subject = "Paid\r\nBcc: eve@shop.example\r\n\r\nHello".to_owned();
    letter.text.plain = "one\r\n.\r\nMAIL FROM:<eve@shop.example>\r\ntwo".to_owned();
    transport(&format!("smtp://localhost:{}", server.port)).send(&letter).await.expect("taken");
    let (to, bytes, _) = server.next();
    assert_eq!(to, "ana@shop.example");
    assert!(!bytes.contains("\r\nBcc:") && bytes.contains("two"), "{bytes}");
    assert!(server.taken.try_recv().is_err(), "it is one letter");
}
