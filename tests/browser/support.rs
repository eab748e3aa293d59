//! A server, and people who use it in browsers of their own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::elements::Element;
use fantoccini::wd::{TimeoutConfiguration, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use url::Url;

use crate::free_port::free_port;

/// How long something may take to appear, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(40);

/// A process that ends with its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Starts a program and waits for a line of its output.
    fn start(command: &mut Command, ready: &str) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let output = child.stdout.take().expect("its output is ours");
        let mut lines = BufReader::new(output).lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.contains(ready)));
        // What it still says has to go somewhere, or it would wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let process = Self(child);
        line.expect("the program gets ready");
        process
    }
}

/// The real server with a store of its own.
pub struct Server {
    process: Mutex<Option<Process>>,
    folder: TempDir,
    settings: Vec<(&'static str, String)>,
    address: String,
}

impl Server {
    pub fn start() -> Self {
        Self::with(&[])
    }

    pub fn with(settings: &[(&'static str, &str)]) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let server = Self { process: Mutex::new(None), folder, settings, address };
        server.start_again();
        server
    }

    pub fn start_again(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gittix"));
        command
            .current_dir(self.folder.path())
            .env("GITTIX_HTTP__LISTEN", &self.address)
            .env("GITTIX_HTTP__ADMIN_LISTEN", "127.0.0.1:0")
            .env("GITTIX_HTTP__DRAIN_SECONDS", "2")
            .env("GITTIX_LOG__FILTER", "warn")
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        let process = Process::start(&mut command, "is ready");
        *self.process.lock().expect("nobody panicked") = Some(process);
    }

    /// As if the power went.
    pub fn kill(&self) {
        *self.process.lock().expect("nobody panicked") = None;
    }

    /// Where the link of the latest letter leads whose name has that in it.
    pub async fn link_of_letter(&self, what: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let folder = std::fs::read_dir(self.folder.path().join("data/mail"));
            let mut letters: Vec<_> = folder.into_iter().flatten().flatten().collect();
            letters.retain(|it| it.file_name().to_string_lossy().contains(what));
            letters.sort_by_key(std::fs::DirEntry::file_name);
            if let Some(letter) = letters.last() {
                let text = std::fs::read_to_string(letter.path()).expect("the letter");
                let text = text.replace("=\r\n", "").replace("=3D", "=");
                let link =
                    text.split(&self.url("")).nth(1).and_then(|it| it.split(['"', '\r']).next());
                return link.expect("a link").to_owned();
            }
            assert!(Instant::now() < until, "no letter {what}");
            sleep(LOOK_AGAIN).await;
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// How somebody's browser is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Device {
    pub is_dark: bool,
    pub is_phone: bool,
    /// How far the device's clock is off.
    pub clock_off_by_hours: i64,
    /// What its owner reads, such as `de-DE`; English if it is not said.
    pub language: &'static str,
}

/// Somebody with a browser.
pub struct Person<'a> {
    server: &'a Server,
    browser: Client,
    _driver: Process,
    _profile: TempDir,
}

impl<'a> Person<'a> {
    pub async fn at(server: &'a Server) -> Self {
        Self::with(server, Device::default()).await
    }

    pub async fn with(server: &'a Server, device: Device) -> Self {
        let driver = std::env::var("CHROMEDRIVER").unwrap_or("chromedriver".to_owned());
        // Asked for any, it may choose one that is taken in its other address, and give up.
        let port = free_port();
        let mut command = Command::new(driver);
        let driver = Process::start(command.arg(format!("--port={port}")), "started successfully");
        let profile = tempfile::tempdir().expect("a folder");
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--lang=en-US".to_owned(),
        ];
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let capabilities = capabilities.as_object().cloned().unwrap_or_default();
        let browser = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("the browser starts");
        let person = Self { server, browser, _driver: driver, _profile: profile };
        person.set_up(device).await;
        person
    }

    pub async fn set_up(&self, device: Device) {
        let scheme = if device.is_dark { "dark" } else { "light" };
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.devtools("Emulation.setEmulatedMedia", media).await;
        let (width, height) = if device.is_phone { (390, 844) } else { (1280, 860) };
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": device.is_phone,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let language = if device.language.is_empty() { "en-US" } else { device.language };
        let agent = self.runs("return navigator.userAgent").await;
        let agent = json!({ "userAgent": agent, "acceptLanguage": language });
        self.devtools("Emulation.setUserAgentOverride", agent).await;
        if device.clock_off_by_hours != 0 {
            let millis = device.clock_off_by_hours * 3_600_000;
            let source = format!(
                "const Real = Date; Date = class extends Real {{
                   constructor(...given) {{ given.length ? super(...given) : super(Real.now() + {millis}); }}
                   static now() {{ return Real.now() + {millis}; }} }};"
            );
            let script = json!({ "source": source });
            self.devtools("Page.addScriptToEvaluateOnNewDocument", script).await;
        }
    }

    /// Somebody with an account, and signed in.
    pub async fn signed_up(server: &'a Server, name: &str) -> Self {
        let person = Self::at(server).await;
        person.signs_up(name).await;
        person
    }

    /// A seller on the page of a ticket that they have just listed, and a buyer who looks at it.
    pub async fn seller_and_buyer(server: &'a Server, title: &str, price: &str) -> (Self, Self) {
        let selling = async {
            let seller = Self::signed_up(server, "ana").await;
            let ticket = seller.sells(title, price).await;
            (seller, ticket)
        };
        let ((seller, ticket), buyer) = tokio::join!(selling, Self::signed_up(server, "ben"));
        buyer.visits(&ticket).await;
        (seller, buyer)
    }

    pub async fn visits(&self, path: &str) {
        self.browser.goto(&self.server.url(path)).await.expect("the page opens");
    }

    pub async fn reloads(&self) {
        self.browser.refresh().await.expect("the page opens again");
    }

    pub async fn goes_back(&self) {
        self.browser.back().await.expect("there is a page before");
    }

    /// Signs up and waits for the first page.
    pub async fn signs_up(&self, name: &str) {
        self.visits("/auth/signup").await;
        self.enters("Email", &format!("{name}@example.com")).await;
        self.enters("Password", "a fine pass phrase").await;
        self.presses("Create account").await;
        self.sees("Sign Out").await;
    }

    /// Lists a ticket and stays on its page, whose path is returned.
    pub async fn sells(&self, title: &str, price: &str) -> String {
        self.presses("Sell Tickets").await;
        self.names_something_else(title).await;
        self.presses("Continue").await;
        self.enters("Price", price).await;
        self.presses("List ticket").await;
        self.sees("Status - Available").await;
        self.path().await
    }

    /// On the page for selling, says that it is for no show, and goes on to where one sits.
    pub async fn names_something_else(&self, title: &str) {
        self.sees("Create a Ticket").await;
        self.presses("Something else").await;
        self.enters("Title", title).await;
        self.presses("Continue").await;
        self.sees("Leave it empty").await;
    }

    /// Locks the ticket whose page is open and opens the form that asks for a card.
    pub async fn goes_on_to_pay(&self) {
        self.presses("Purchase").await;
        self.presses("Pay").await;
    }

    /// Chooses a test card in that form and presses the button that pays.
    pub async fn pays_with(&self, card: &str, button: &str) {
        self.presses(card).await;
        self.presses(button).await;
    }

    pub async fn enters(&self, label: &str, text: &str) {
        let path = format!(
            "//*[self::input or self::textarea][@id=//label[normalize-space(.)='{label}']/@for]"
        );
        let field = self.finds(&path).await;
        field.clear().await.expect("the field is emptied");
        field.send_keys(text).await.expect("the field takes text");
    }

    /// As [`Self::enters`], in the form with a button that says `form`.
    pub async fn enters_in(&self, form: &str, label: &str, text: &str) {
        let path = format!(
            "//form[.//button[normalize-space(.)='{form}']]\
             //input[@id=//label[normalize-space(.)='{label}']/@for]"
        );
        let field = self.finds(&path).await;
        field.clear().await.expect("the field is emptied");
        field.send_keys(text).await.expect("the field takes text");
    }

    /// The page as HTML.
    pub async fn source(&self) -> String {
        self.browser.source().await.expect("a page")
    }

    /// Presses a button, link or choice by what it says.
    pub async fn presses(&self, text: &str) {
        self.presses_within("", text).await;
    }

    /// Presses what a dialog offers, even if the page behind it offers the same.
    pub async fn presses_in_dialog(&self, text: &str) {
        self.presses_within("//dialog[@open]", text).await;
    }

    async fn presses_within(&self, place: &str, text: &str) {
        let path = format!(
            "{place}//*[self::button or self::a or self::label]\
             [normalize-space(.)='{text}' and not(@hidden) and not(@disabled)]"
        );
        let until = Instant::now() + PATIENCE;
        loop {
            // The page may be drawn anew between finding and pressing.
            match self.finds(&path).await.click().await {
                Ok(()) => return,
                Err(error) if Instant::now() > until => panic!("{text:?}: {error}"),
                Err(_) => sleep(LOOK_AGAIN).await,
            }
        }
    }

    async fn finds(&self, path: &str) -> Element {
        let found = self.browser.wait().at_most(PATIENCE).every(LOOK_AGAIN);
        match found.for_element(Locator::XPath(path)).await {
            Ok(element) => element,
            Err(error) => panic!("{path}: {error}\n{}", self.text().await),
        }
    }

    /// Waits until a text is on the page, and says how long it took.
    pub async fn sees(&self, text: &str) -> Duration {
        let began = Instant::now();
        while !self.text().await.contains(text) {
            let page = self.text().await;
            assert!(began.elapsed() < PATIENCE, "{text:?} did not appear on:\n{page}");
            sleep(LOOK_AGAIN).await;
        }
        began.elapsed()
    }

    pub async fn sees_no_more(&self, text: &str) {
        let began = Instant::now();
        while self.text().await.contains(text) {
            assert!(began.elapsed() < PATIENCE, "{text:?} stays");
            sleep(LOOK_AGAIN).await;
        }
    }

    /// All that is shown, without what only stands for looks.
    pub async fn text(&self) -> String {
        let script = "return document.body.innerText.replace(/\\s+/g, ' ')";
        self.runs(script).await.as_str().unwrap_or_default().to_owned()
    }

    /// What the accessibility tree calls the element that has the focus.
    pub async fn focus(&self) -> String {
        let script = "const it = document.activeElement;
            const label = it.labels?.[0]?.textContent;
            return (it.getAttribute('aria-label') ?? label ?? it.textContent).replace(/\\s+/g, ' ').trim()";
        self.runs(script).await.as_str().unwrap_or_default().to_owned()
    }

    /// Presses keys, wherever the focus is.
    pub async fn types(&self, keys: &str) {
        let element = self.browser.active_element().await.expect("something has the focus");
        element.send_keys(keys).await.expect("it takes keys");
    }

    /// Goes on by the tabulator until something has the focus.
    pub async fn tabs_to(&self, name: &str) {
        for _ in 0..40 {
            self.types("\u{E004}").await;
            if self.focus().await == name {
                return;
            }
        }
        panic!("the keyboard does not lead to {name:?} on:\n{}", self.text().await);
    }

    pub async fn path(&self) -> String {
        self.browser.current_url().await.expect("a page").path().to_owned()
    }

    pub async fn runs(&self, script: &str) -> Value {
        self.browser.execute(script, Vec::new()).await.expect("the script runs")
    }

    pub async fn runs_async(&self, script: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1]; {script}");
        self.browser.execute_async(&script, Vec::new()).await.expect("the script runs")
    }

    /// Lets scripts run for as long as a long one takes on a busy machine.
    pub async fn has_patience_for_scripts(&self) {
        let timeouts = TimeoutConfiguration::new(Some(Duration::from_secs(180)), None, None);
        self.browser.update_timeouts(timeouts).await.expect("the browser waits");
    }

    /// Everything that axe-core finds wrong with the page for people with disabilities.
    pub async fn violations(&self) -> Vec<String> {
        let path = std::env::var("AXE_CORE").expect("AXE_CORE leads to axe.min.js");
        let axe = std::fs::read_to_string(path).expect("axe-core is there");
        self.browser.execute(&axe, Vec::new()).await.expect("axe-core runs");
        let found = self.runs_async(
            "axe.run(document).then((found) => done(found.violations.map((it) =>
               `${it.id}: ${it.help}: ${it.nodes.map((node) => node.html + node.any.map((check) => ` (${check.message})`).join('')).join(' | ')}`)),
               (error) => done([String(error)]))",
        );
        texts(&found.await)
    }

    /// What moved by itself after it was drawn: whoever was about to press it misses.
    pub async fn jumps(&self) -> Vec<String> {
        let found = self.runs_async(
            "const shifts = [];
             new PerformanceObserver((list) => shifts.push(...list.getEntries()))
               .observe({ type: 'layout-shift', buffered: true });
             // Below what grows is only the footer, where there is nothing to press.
             const matters = ({ node }) => !node?.closest?.('footer');
             // Longer than it takes a countdown to begin.
             setTimeout(() => done(shifts.filter((it) => !it.hadRecentInput).flatMap((it) => it.sources).filter(matters).map(
               ({ node, previousRect: from, currentRect: to }) =>
                 `jumps by ${to.x - from.x}, ${to.y - from.y}: ${node?.outerHTML ?? node?.textContent}`)), 250)",
        );
        texts(&found.await)
    }

    /// The violations of a page, each named after it, and a picture is taken.
    pub async fn violations_on(&self, page: &str) -> Vec<String> {
        self.is_pictured(page).await;
        let found = self.violations().await;
        found.into_iter().map(|violation| format!("{page}: {violation}")).collect()
    }

    /// Takes a picture, if anybody wants one.
    pub async fn is_pictured(&self, name: &str) {
        let Ok(folder) = std::env::var("PICTURES") else { return };
        let picture = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.devtools("Page.captureScreenshot", picture).await;
        let bytes = STANDARD.decode(picture["data"].as_str().unwrap_or_default());
        std::fs::create_dir_all(&folder).expect("a folder for pictures");
        let path = std::path::Path::new(&folder).join(format!("{name}.png"));
        std::fs::write(path, bytes.expect("a picture")).expect("the picture is kept");
    }

    /// What the browser refused to do for the sake of the page's policy.
    pub async fn policy_violations(&self) -> Vec<String> {
        let log = self.command("se/log", json!({ "type": "browser" })).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        let messages = entries.iter().filter_map(|entry| entry["message"].as_str());
        messages.filter(|text| text.contains("Security Policy")).map(str::to_owned).collect()
    }

    pub async fn leaves(self) {
        let violations = self.policy_violations().await;
        assert!(violations.is_empty(), "{violations:#?}");
        self.browser.close().await.expect("the browser closes");
    }

    pub async fn devtools(&self, cmd: &str, params: Value) -> Value {
        self.command("goog/cdp/execute", json!({ "cmd": cmd, "params": params })).await
    }

    async fn command(&self, path: &'static str, body: Value) -> Value {
        self.browser.issue_cmd(OwnCommand { path, body }).await.expect("the command is known")
    }
}

/// A command of this browser's own.
#[derive(Debug)]
struct OwnCommand {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for OwnCommand {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

fn texts(found: &Value) -> Vec<String> {
    let texts = found.as_array().expect("a list").iter();
    texts.map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}
