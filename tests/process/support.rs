//! A server process, its folder, and a client that speaks just enough HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::free_port::free_port;

/// An address on which nobody listens.
pub fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// A folder with the data of one marketplace.
pub struct Place {
    pub folder: TempDir,
    settings: Vec<(&'static str, String)>,
}

/// A running server. It is killed when the test ends.
pub struct Server {
    child: Child,
    pub api: String,
    pub admin: String,
    pub banner: String,
    log: Arc<Mutex<String>>,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), settings: Vec::new() }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.settings.push((name, value.to_string()));
        self
    }

    /// A place whose commands know where its server's admin address is.
    pub fn with_admin() -> Self {
        Self::new().with("GITTIX_HTTP__ADMIN_LISTEN", free_address())
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("gittix.redb")
    }

    /// The program, on this folder, with nothing of the environment but what is set here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gittix"));
        command
            .env_clear()
            .current_dir(self.folder.path())
            .env("GITTIX_HTTP__LISTEN", "127.0.0.1:0")
            .env("GITTIX_HTTP__ADMIN_LISTEN", "127.0.0.1:0")
            .env("GITTIX_AUTH__THROTTLE", "false")
            .envs(self.settings.iter().map(|(name, value)| (*name, value.as_str())))
            .args(["--data-dir", self.folder.path().to_str().unwrap()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end: whether it succeeded, and all it said.
    pub fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.command(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    pub fn start(&self) -> Server {
        self.start_with(&[])
    }

    pub fn start_with(&self, arguments: &[&str]) -> Server {
        Self::spawn(self.command(arguments))
    }

    /// Starts it from a shell that has limited itself.
    pub fn start_limited(&self, limit: &str) -> Server {
        Self::spawn(self.limited(limit, &[]))
    }

    /// Runs a command to its end from a shell that has limited itself.
    pub fn run_limited(&self, limit: &str, arguments: &[&str]) -> (bool, String) {
        let output = self.limited(limit, arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn limited(&self, limit: &str, arguments: &[&str]) -> Command {
        let program = self.command(arguments);
        let mut shell = Command::new("sh");
        shell
            .env_clear()
            .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .current_dir(self.folder.path())
            .args(["-c", &format!("{limit} && exec \"$0\" \"$@\"")])
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        shell
    }

    fn spawn(mut command: Command) -> Server {
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (mut errors, sink) = (child.stderr.take().unwrap(), log.clone());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = errors.read(&mut bytes) {
                sink.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !banner.contains("holds") {
            let mut line = String::new();
            let count = lines.read_line(&mut line).unwrap();
            assert!(count > 0, "the server did not start: {banner}{}", log.lock().unwrap());
            banner.push_str(&line);
        }
        // Whatever else it prints must not fill the pipe.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let address = |what: &str| {
            let line = banner.lines().find(|line| line.trim_start().starts_with(what));
            let rest = line.unwrap().split("http://").nth(1).unwrap();
            rest.split_whitespace().next().unwrap().to_owned()
        };
        let (api, admin) = (address("API"), address("admin"));
        Server { child, api, admin, banner, log }
    }
}

impl Server {
    pub fn client(&self) -> Client {
        Client { address: self.api.clone(), token: None }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.unwrap().success());
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let until = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end: {}", self.log.lock().unwrap());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks one server, one connection a request.
#[derive(Clone)]
pub struct Client {
    pub address: String,
    pub token: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl Client {
    pub fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(stream)
    }

    /// Sends bytes and reads until the server closes.
    pub fn raw(&self, bytes: &[u8]) -> std::io::Result<String> {
        let mut stream = self.connect()?;
        stream.write_all(bytes)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    pub fn head(&self, method: &str, path: &str, length: usize) -> String {
        let cookie = self.token.as_ref().map(|token| format!("cookie: session={token}\r\n"));
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{}\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n",
            self.address,
            cookie.unwrap_or_default(),
        )
    }

    /// `None` if the server went away before it answered whole.
    pub fn try_send(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        self.try_send_with(method, path, body, "")
    }

    /// The same with more header lines, each with its end.
    pub fn try_send_with(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &str,
    ) -> Option<Answer> {
        let head = self.head(method, path, body.len());
        let request = format!("{}{headers}\r\n{body}", head.strip_suffix("\r\n")?);
        let text = self.raw(request.as_bytes()).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let declared = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let is_whole = declared.is_none_or(|length| length.parse() == Ok(body.len()));
        is_whole.then(|| Answer { status, head: head.to_owned(), body: body.to_owned() })
    }

    pub fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        self.try_send(method, path, body).unwrap_or_else(|| panic!("no answer: {method} {path}"))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &body.to_string())
    }

    /// The same client with a new account.
    pub fn person(&self, name: &str) -> Self {
        let body = json!({"email": format!("{name}@example.com"), "password": "a good password"});
        let answer = self.post("/api/users/signup", &body).is(201);
        let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: session="));
        let token = cookie.unwrap().split(';').next().unwrap().to_owned();
        Self { token: Some(token), ..self.clone() }
    }

    /// The same person at a server that was started anew.
    pub fn at(&self, server: &Server) -> Self {
        Self { address: server.api.clone(), ..self.clone() }
    }

    pub fn lists(&self, title: &str) -> String {
        let answer = self.post("/api/tickets", &json!({"title": title, "price": 40})).is(201);
        id(&answer.json())
    }

    pub fn tries_to_lock(&self, ticket: &str) -> Option<Answer> {
        self.try_send("POST", "/api/orders", &json!({"ticketId": ticket}).to_string())
    }

    pub fn locks(&self, ticket: &str) -> Value {
        self.tries_to_lock(ticket).expect("an answer").is(201).json()
    }

    pub fn status_of(&self, ticket: &str) -> String {
        let shown = self.get(&format!("/api/tickets/{ticket}")).is(200).json();
        shown["status"].as_str().unwrap().to_owned()
    }
}

pub fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

pub fn pause(span: Duration) {
    thread::sleep(span);
}
