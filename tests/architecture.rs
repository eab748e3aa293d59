//! The house rules that a compiler does not hold: which way the arrows point, and that nothing
//! but a test gives up with a panic.
#![expect(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Which modules a module may use. Those not listed put the others together and may use all.
const ARROWS: [(&str, &[&str]); 13] = [
    // Deliberate bugs for the simulator; without their feature a constant `false`.
    ("bugs", &[]),
    ("domain", &["bugs"]),
    ("seams", &["domain"]),
    ("pictures", &[]),
    ("private", &[]),
    ("store", &["domain", "private", "bugs"]),
    ("payments", &["domain", "seams"]),
    ("mail", &["domain", "private"]),
    ("blobs", &["domain", "private"]),
    ("actors", &["domain", "seams", "store", "payments", "mail", "blobs", "bugs"]),
    ("auth", &["domain", "seams", "private"]),
    (
        "http",
        &[
            "domain", "seams", "store", "payments", "actors", "auth", "blobs", "config",
            "pictures", "bugs",
        ],
    ),
    // Which keys may go where is the gateway's to say.
    ("config", &["payments", "mail"]),
];

/// What the domain may use of other crates: values, and Unicode's tables.
const DOMAIN_CRATES: [&str; 10] = [
    "std",
    "serde",
    "thiserror",
    "jiff",
    "icu_properties",
    "idna",
    "unicode_normalization",
    "super",
    "crate",
    "self",
];

/// Where a panic is the documented answer: there is no randomness, so no secret may be made.
const MAY_PANIC: [(&str, &str); 1] =
    [("seams.rs", "panic!(\"the operating system gave no random bytes")];

const GIVING_UP: [&str; 6] =
    [".unwrap()", ".expect(\"", "panic!(", "todo!(", "unimplemented!(", "unreachable!("];

struct Source {
    /// Below `src/`.
    path: PathBuf,
    text: String,
}

/// Every source file outside its tests, without comments.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 50, "the sources are where they are looked for");
    let source = |file: &PathBuf| {
        let path = file.strip_prefix(&root).unwrap().to_path_buf();
        let text = without_tests(&fs::read_to_string(file).unwrap());
        Source { path, text }
    };
    let test_modules = test_modules(&files);
    let is_code = |file: &&PathBuf| !test_modules.iter().any(|module| file.starts_with(module));
    files.iter().filter(is_code).map(source).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The files and folders of modules that are declared for tests alone.
fn test_modules(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut modules = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(next) = lines.peek() else { break };
            let Some((visibility, name)) = next.trim().split_once("mod ") else { continue };
            let name = name.strip_suffix(';').filter(|_| {
                visibility.is_empty()
                    || visibility.starts_with("pub ")
                    || visibility.starts_with("pub(")
            });
            let Some(name) = name else { continue };
            let condition = line.trim();
            if condition == "#[cfg(test)]" || condition.starts_with("#[cfg(all(test") {
                let is_root = file.file_stem().is_some_and(|stem| stem == "mod" || stem == "lib");
                let folder = if is_root {
                    file.parent().unwrap().to_path_buf()
                } else {
                    file.with_extension("")
                };
                modules.push(folder.join(name));
                modules.push(folder.join(format!("{name}.rs")));
            }
        }
    }
    modules
}

/// The text up to its test module, without comments.
fn without_tests(text: &str) -> String {
    // `#[cfg(all(test, unix))]` counts as well. The module is always the last of its file.
    let ends = ["#[cfg(test)]\nmod ", "#[cfg(all(test, unix))]\nmod "];
    let end = ends.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    let code = &text[..end];
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn module_of(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The first names of all paths that start at the crate's root, groups included.
fn used_modules(text: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (place, _) in text.match_indices("crate::") {
        // `$crate` and names that end in `crate` are none of ours.
        let before = text[..place].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[place + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => first_names(group),
            None => vec![word(rest)],
        };
        used.extend(names.into_iter().filter(|name| !name.is_empty()));
    }
    used
}

/// The first names in a group `{a::b, c::{d, e}, f}`, whose opening brace is gone.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut is_first) = (0, Vec::new(), true);
    for (place, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_first = true,
            c if is_first && c.is_alphabetic() => {
                names.push(word(&group[place..]));
                is_first = false;
            }
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn arrows_between_modules_point_one_way() {
    let mut wrong = Vec::new();
    for source in sources() {
        let module = module_of(&source.path);
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else { continue };
        for used in used_modules(&source.text) {
            if used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {module} -> {used}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_edge_knows_no_resource() {
    for source in sources() {
        if source.path.starts_with("http/edge") {
            let used = source.text.match_indices("crate::http::");
            let used = used.map(|(at, name)| word(&source.text[at + name.len()..]));
            let foreign: Vec<String> = used.filter(|name| name != "edge").collect();
            assert!(foreign.is_empty(), "{}: {foreign:?}", source.path.display());
        }
    }
}

#[test]
fn the_domain_uses_small_value_crates_alone() {
    for source in sources() {
        if module_of(&source.path) != "domain" {
            continue;
        }
        for line in source.text.lines() {
            let line = line.trim_start().trim_start_matches("pub ");
            let Some(path) = line.strip_prefix("use ") else { continue };
            let first = word(path);
            // The domain's own modules are used by their names in its `mod.rs`.
            let is_own = source.path.ends_with("domain/mod.rs")
                || ["TicketCommand", "TicketState", "ChargePhase"].contains(&first.as_str());
            let is_allowed = DOMAIN_CRATES.contains(&first.as_str()) || is_own;
            assert!(is_allowed, "{}: {line}", source.path.display());
        }
        for banned in ["tokio::", "redb::", "axum::", "ractor::", "Instant::", "SystemTime"] {
            assert!(!source.text.contains(banned), "{}: {banned}", source.path.display());
        }
    }
}

#[test]
fn each_library_stays_in_its_room() {
    // Only the store knows redb, only the actors know ractor, only the edge knows axum.
    let rooms: [(&str, &[&str]); 5] = [
        ("redb::", &["store"]),
        ("tokio_postgres::", &["store"]),
        ("ractor::", &["actors"]),
        ("lettre::", &["mail"]),
        ("axum::", &["http", "app", "auth", "server", "commands", "config"]),
    ];
    for source in sources() {
        let module = module_of(&source.path);
        for (library, homes) in rooms {
            let is_home = homes.contains(&module.as_str());
            let uses = source.text.contains(&format!("use {library}"));
            assert!(is_home || !uses, "{} uses {library}", source.path.display());
        }
    }
}

#[test]
fn nothing_but_a_test_gives_up_with_a_panic() {
    let mut found = Vec::new();
    for source in sources() {
        for line in source.text.lines() {
            let is_documented = MAY_PANIC
                .iter()
                .any(|(file, text)| source.path.ends_with(file) && line.contains(text));
            if !is_documented && GIVING_UP.iter().any(|word| line.contains(word)) {
                found.push(format!("{}: {}", source.path.display(), line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Folders in which no file uses one that uses it.
const WITHOUT_CYCLES: [&str; 2] = ["actors", "http"];

/// A module's path below `src/`, such as `actors/effects`.
fn module_path(file: &Path) -> PathBuf {
    let is_folder = file.file_name().is_some_and(|name| name == "mod.rs");
    if is_folder { file.parent().unwrap().to_path_buf() } else { file.with_extension("") }
}

/// Every module below `src/` that a source file uses, however it writes that: from the root, by way
/// of a parent, or as its own child.
fn uses(source: &Source, modules: &[PathBuf]) -> Vec<PathBuf> {
    let own = module_path(&source.path);
    let statement = |line: &str| {
        let line = line.trim_start().trim_start_matches("pub ");
        line.strip_prefix("use ").map(str::to_owned)
    };
    let children = source.text.lines().filter_map(statement);
    let children = children.map(|path| (own.clone(), path));
    let mut found = Vec::new();
    for (start, path) in paths(&source.text, &own).into_iter().chain(children) {
        // `a::b::{c, d}` uses `a::b::c` and `a::b::d`.
        let end = path.find(|c| "{;,)>(".contains(c)).unwrap_or(path.len());
        let (stem, rest) = path.split_at(end);
        let names = match rest.strip_prefix('{') {
            Some(group) => first_names(group).iter().map(|name| format!("{stem}{name}")).collect(),
            None => vec![stem.to_owned()],
        };
        for name in names {
            // The longest beginning that is a module; what follows is in it.
            let mut module = start.clone();
            for part in name.split("::") {
                let longer = module.join(word(part.trim()));
                if !modules.contains(&longer) {
                    break;
                }
                module = longer;
            }
            found.push(module);
        }
    }
    found.retain(|module| *module != own && modules.contains(module));
    found
}

/// Where each path that begins with `crate`, `self` or `super` starts, and the rest of it.
fn paths(text: &str, own: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for (place, first) in
        ["crate::", "self::", "super::"].into_iter().flat_map(|first| text.match_indices(first))
    {
        let before = text[..place].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || "_$:".contains(c)) {
            continue;
        }
        let mut start = match first {
            "crate::" => PathBuf::new(),
            "self::" => own.to_path_buf(),
            _ => own.parent().unwrap().to_path_buf(),
        };
        let mut rest = &text[place + first.len()..];
        while let Some(further) = rest.strip_prefix("super::") {
            start.pop();
            rest = further;
        }
        let rest: String = rest.chars().take(2_000).collect();
        found.push((start, rest));
    }
    found
}

/// A way from a module back to itself, if there is one.
fn cycle(arrows: &[(PathBuf, Vec<PathBuf>)]) -> Option<Vec<PathBuf>> {
    fn walk(
        way: &mut Vec<PathBuf>,
        done: &mut Vec<PathBuf>,
        arrows: &[(PathBuf, Vec<PathBuf>)],
    ) -> Option<Vec<PathBuf>> {
        let here = way.last()?.clone();
        let next = arrows.iter().find(|(module, _)| *module == here).map(|(_, uses)| uses);
        for module in next.into_iter().flatten() {
            if let Some(place) = way.iter().position(|before| before == module) {
                return Some(way[place..].to_vec());
            }
            if !done.contains(module) {
                way.push(module.clone());
                if let Some(cycle) = walk(way, done, arrows) {
                    return Some(cycle);
                }
                way.pop();
            }
        }
        done.push(here);
        None
    }
    let mut done = Vec::new();
    arrows.iter().find_map(|(module, _)| walk(&mut vec![module.clone()], &mut done, arrows))
}

#[test]
fn no_file_uses_one_that_uses_it() {
    let sources = sources();
    let modules: Vec<PathBuf> = sources.iter().map(|source| module_path(&source.path)).collect();
    for folder in WITHOUT_CYCLES {
        let inside =
            |path: &Path| path.starts_with(folder) || path.with_extension("") == Path::new(folder);
        let arrows: Vec<(PathBuf, Vec<PathBuf>)> = sources
            .iter()
            .filter(|source| inside(&source.path))
            .map(|source| {
                let mut used = uses(source, &modules);
                used.retain(|module| inside(module));
                (module_path(&source.path), used)
            })
            .collect();
        let all: usize = arrows.iter().map(|(_, uses)| uses.len()).sum();
        assert!(all > 20, "{folder}: the uses are found, {all} of them");
        assert_eq!(cycle(&arrows), None, "{folder}");
    }
}
