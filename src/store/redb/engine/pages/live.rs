//! Every page of a file that counts, for tests that damage them.

use std::collections::HashSet;

use super::{HEADER, Look, Pages, Table, Which, Widths, end_of, links};

impl Pages {
    /// Every page that counts: whose it is, where in the file, and how much of it.
    pub fn live(&self) -> Vec<(String, std::ops::Range<u64>)> {
        let header = self.header().expect("a file").expect("a header");
        let (which, sound) = (Which::All, HashSet::new());
        let mut look = Look { pages: self, header, which, sound, faults: Vec::new() };
        let mut live = vec![("header".to_owned(), self.start..self.start + HEADER as u64)];
        for (root, is_own) in [(header.own_tables, true), (header.tables, false)] {
            let tree = Table { name: "tables".to_owned(), root, widths: Widths::default(), is_own };
            let tables = look.at_tree_of_tables(root, is_own).expect("a file");
            for table in std::iter::once(tree).chain(tables) {
                let mut left = Vec::from_iter(table.root);
                while let Some(link) = left.pop() {
                    let page = self.page(&header, link.number).expect("a file");
                    let (place, page) = page.expect("a page");
                    let end = end_of(&page, table.widths).expect("an end");
                    live.push((table.name.clone(), place..place + end as u64));
                    left.extend(links(&page, table.widths, link.sum).expect("a sound page"));
                }
            }
        }
        live
    }
}
