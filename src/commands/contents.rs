//! What lies beside the data file goes with it: into a backup, back from one, and before the eyes of
//! `gittix verify`.

use std::path::Path;

use anyhow::Context as _;

use crate::auth::{Vault, load_pass_keys};
use crate::blobs::{BlobName, FolderBlobs, Shelf, copy};
use crate::config::Settings;
use crate::domain::Pass;
use crate::store;

/// The most findings that are listed.
const FINDINGS_MAX: usize = 100;

/// Copies contents from beside one file to beside another.
///
/// # Errors
///
/// If they can't be read or written.
pub async fn carry(from: &Path, to: &Path) -> anyhow::Result<()> {
    let (from, to) = (FolderBlobs::beside(from), FolderBlobs::beside(to));
    copy(&from, &to).await.context("what lies beside the data can't be copied")
}

/// Looks whether what each pass of a file holds is there, whole, and can be opened with the keys.
pub fn check(settings: &Settings, file: &Path) -> Findings {
    let contents = FolderBlobs::beside(file);
    let keys = load_pass_keys(&settings.pass_key_file()).map(Vault::new);
    let mut findings = Findings::default();
    let looked = store::each_pass(file, |pass| {
        findings.count += 1;
        let sound = match &keys {
            Ok(vault) => look_at(&pass, &contents, vault),
            Err(error) => Err(anyhow::anyhow!("{error}")),
        };
        if let Err(why) = sound {
            findings.add(format!("passes {}: {why:#}", pass.id));
        }
    });
    if let Err(why) = looked {
        findings.add(format!("passes: not all could be looked at: {why}"));
    }
    findings
}

fn look_at(pass: &Pass, contents: &FolderBlobs, vault: &Vault) -> anyhow::Result<()> {
    let id = pass.id.as_u128();
    let content = contents.read(BlobName { shelf: Shelf::Passes, id })?;
    let content = content.context("what it holds is missing")?;
    vault.open(id, &pass.wrapped_key, &content)?;
    Ok(())
}

/// What a look at passes has found.
#[derive(Debug, Default)]
pub struct Findings {
    /// How many passes there are.
    pub count: u64,
    /// What is wrong, one sentence each; at most the first hundred.
    pub listed: Vec<String>,
    /// How much is wrong, listed or not.
    pub total: u64,
}

impl Findings {
    fn add(&mut self, finding: String) {
        self.total += 1;
        if self.listed.len() < FINDINGS_MAX {
            self.listed.push(finding);
        }
    }
}
