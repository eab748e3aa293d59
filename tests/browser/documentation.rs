//! The API's documentation page, whose every operation can be tried out.

use serde_json::Value;

use crate::support::{Person, Server};

/// Tries every operation out, and tells of each what the page shows and what it sent.
///
/// What is sent is noted where the browser sends it. The stream of events would go on for ever, so
/// it ends after its first piece.
const TRIES_ALL: &str = "
  const sent = [];
  const real = window.fetch;
  window.fetch = async (given, options) => {
    const request = new Request(given, options);
    const body = await request.clone().text();
    sent.push({ method: request.method, url: request.url, body, headers: [...request.headers.keys()] });
    const response = await real(request);
    if (!new URL(request.url).pathname.endsWith('/events')) return response;
    const reader = response.body.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return new Response(value, response);
  };
  const until = async (what, look) => {
    for (let i = 0; i < 400; i += 1) {
      const found = look();
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`${what} did not appear`);
  };
  const fill = (input, text) => {
    const kind = input instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, 'value').set.call(input, text);
    input.dispatchEvent(new Event('input', { bubbles: true }));
    input.dispatchEvent(new Event('change', { bubbles: true }));
  };
  const one = async (block) => {
    const method = block.querySelector('.opblock-summary-method').textContent.trim();
    const path = block.querySelector('.opblock-summary-path').dataset.path;
    const find = (selector) => block.querySelector(selector);
    const name = `${method} ${path}`;
    if (!block.classList.contains('is-open')) find('.opblock-summary-control').click();
    (await until(`${name}: the button`, () => find('.try-out__btn'))).click();
    const execute = await until(`${name}: the execute button`, () => find('.btn.execute'));
    const values = { id: 'ticket_01h455vb4pex5vsknk084sn02q' };
    if (path.endsWith('/events')) Object.assign(values, { after: '0', 'last-event-id': '0' });
    for (const [param, value] of Object.entries(values)) {
      const input = () => find(`tr[data-param-name=\"${param}\"] input:enabled`);
      if (!find(`tr[data-param-name=\"${param}\"]`)) continue;
      // The page draws the field anew once it is to be filled.
      await until(`${name}: ${param}`, () => {
        if (input() && input().value !== value) fill(input(), value);
        return input()?.value === value;
      });
      // The page takes a text over when nothing more is typed for a third of a second.
      await new Promise((resolve) => setTimeout(resolve, 600));
    }
    const file = find('.opblock-section-request-body input[type=\"file\"]');
    if (file) {
      // What is sent is the file, and what is shown is its name: here they are the same.
      const files = new DataTransfer();
      files.items.add(new File(['picture.jpg'], 'picture.jpg', { type: 'image/jpeg' }));
      file.files = files.files;
      file.dispatchEvent(new Event('change', { bubbles: true }));
      await new Promise((resolve) => setTimeout(resolve, 600));
    }
    const before = sent.length;
    execute.click();
    const why = () => [...block.querySelectorAll('.errors, .invalid')].map((it) => it.outerHTML).join();
    const own = await until(`${name}: a request`, () => sent[before]).catch((error) => { throw new Error(error.message + why()); });
    const shown = (await until(`${name}: what was sent`, () => find('.request-url pre'))).textContent.trim();
    const curl = find('.curl-command')?.textContent ?? find('.curl')?.textContent ?? '';
    find('.opblock-summary-control').click();
    return { method, path, sent: own, shown, curl, requests: sent.length - before };
  };
  (async () => {
    await until('the operations', () => document.querySelectorAll('.opblock').length > 20);
    const tried = [];
    for (const block of document.querySelectorAll('.opblock')) tried.push(await one(block));
    return tried;
  })().then(done, (error) => done([String(error)]))";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn every_operation_of_the_documentation_page_sends_the_request_that_it_shows() {
    let server = Server::start();
    let ana = Person::signed_up(&server, "ana").await;
    ana.sells("Opera", "30").await;
    ana.visits("/api/docs/").await;
    ana.sees("Listing and browsing").await;
    ana.has_patience_for_scripts().await;
    let tried = ana.runs_async(TRIES_ALL).await;
    let tried = tried.as_array().expect("a list");
    let mut seen: Vec<String> = Vec::new();
    for one in tried {
        let text = |at: &str| one.pointer(at).and_then(Value::as_str).unwrap_or_default();
        let (method, path, url) = (text("/method"), text("/path"), text("/sent/url"));
        assert!(!path.is_empty(), "{one}");
        let meant = server.url(&path.replace("{id}", "ticket_01h455vb4pex5vsknk084sn02q"));
        assert_eq!(url.split('?').next(), Some(meant.as_str()), "{method} {path}: {one:#}");
        assert_eq!(text("/sent/method"), method, "{path}: {one:#}");
        assert_eq!(one["requests"], 1, "{method} {path}: {one:#}");
        assert_eq!(text("/shown"), url, "{method} {path}: the address that is shown");
        let curl = text("/curl");
        assert!(curl.contains(&format!("'{method}'")) && curl.contains(url), "{one:#}");
        let body = text("/sent/body");
        let has_body = one["sent"]["headers"]
            .as_array()
            .is_some_and(|names| names.iter().any(|name| name == "content-type"));
        assert_eq!(has_body, !body.is_empty(), "{method} {path}: {one:#}");
        for line in body.lines() {
            assert!(curl.contains(line.trim()), "{method} {path}: {line} is not in {curl}");
        }
        seen.push(format!("{} {path}", method.to_lowercase()));
    }
    seen.sort();
    assert_eq!(seen, described(), "every operation that is described was tried");
    ana.leaves().await;
}

/// Every operation of the description.
fn described() -> Vec<String> {
    let document: Value =
        serde_json::from_str(include_str!("../../docs/openapi.json")).expect("a document");
    let paths = document["paths"].as_object().expect("paths");
    let of_path = |(path, operations): (&String, &Value)| {
        let operations = operations.as_object().expect("operations").keys();
        operations.map(|method| format!("{method} {path}")).collect::<Vec<_>>()
    };
    let mut all: Vec<String> = paths.iter().flat_map(of_path).collect();
    all.sort();
    all
}
