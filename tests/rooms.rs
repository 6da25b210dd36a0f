//! The rooms of the house: what imports what in the sources of each crate. Cargo keeps crates from importing each other
//! in a circle; nothing keeps the files of one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, Macro, Path as Name, UseTree};

const CRATES: [&str; 6] = ["kernels", "data", "train", "run", "analysis", "cli"];

/// A module's name below its crate, and that of the crate itself.
type Module = Vec<String>;

/// The files of a crate by the modules that they are, but for those of tests.
fn files(root: &Path) -> BTreeMap<Module, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !name.ends_with("tests") {
                let within = path.strip_prefix(root).unwrap().with_extension("");
                let mut module: Module = within.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
                if ["mod", "lib", "main"].contains(&&*name) {
                    module.pop();
                }
                found.insert(module, path);
            }
        }
    }
    found
}

/// Collects the paths that a file names, from the root of its crate on.
struct Imports<'a> {
    module: &'a Module,
    found: Vec<Module>,
}

impl Imports<'_> {
    /// Takes a path if it says where it begins: at the crate, or above or at this module.
    fn take(&mut self, parts: &[String]) {
        let mut base = self.module.clone();
        let mut rest = parts;
        match parts.first().map(String::as_str) {
            Some("crate") => {
                base.clear();
                rest = &parts[1..];
            }
            Some("self") => rest = &parts[1..],
            Some("super") => {
                while rest.first().is_some_and(|part| part == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            _ => return,
        }
        self.found.push(base.into_iter().chain(rest.iter().cloned()).collect());
    }

    fn take_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.take_tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) => self.take(&with(&name.ident)),
            UseTree::Rename(rename) => self.take(&with(&rename.ident)),
            UseTree::Glob(_) => self.take(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.take_tree(before, tree)),
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && list.is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs[..],
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.take_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast Name) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.take(&parts);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, _: &'ast Macro) {}
}

/// Which of the modules each file of a crate imports something of. A file that owns others, below it, may use them.
fn arrows(files: &BTreeMap<Module, PathBuf>) -> BTreeMap<Module, BTreeSet<Module>> {
    let of = |(module, path): (&Module, &PathBuf)| {
        let mut imports = Imports { module, found: Vec::new() };
        imports.visit_file(&syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap());
        let known = |name: &Module| (1..=name.len()).rev().map(|n| name[..n].to_vec()).find(|n| files.contains_key(n));
        let named = imports.found.iter().filter_map(known).filter(|other| !other.starts_with(module));
        (module.clone(), named.collect())
    };
    files.iter().filter(|(module, _)| !module.is_empty()).map(of).collect()
}

/// A way from a module back to itself, if there is one.
fn circle(arrows: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    fn back(
        arrows: &BTreeMap<Module, BTreeSet<Module>>,
        way: &mut Vec<Module>,
        dead: &mut BTreeSet<Module>,
    ) -> Option<Vec<Module>> {
        for next in arrows.get(way.last()?).into_iter().flatten() {
            if let Some(at) = way.iter().position(|module| module == next) {
                return Some(way[at..].to_vec());
            }
            if !dead.contains(next) {
                way.push(next.clone());
                if let Some(found) = back(arrows, way, dead) {
                    return Some(found);
                }
                dead.extend(way.pop());
            }
        }
        None
    }
    let mut dead = BTreeSet::new();
    arrows.keys().find_map(|module| back(arrows, &mut vec![module.clone()], &mut dead))
}

/// The same for the folders of a crate: what is in the same one may import each other as files may, what is in another
/// may not.
fn of_rooms(arrows: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut rooms: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (from, all) in arrows {
        let others = all.iter().map(|to| to[..1].to_vec()).filter(|to| *to != from[..1]);
        rooms.entry(from[..1].to_vec()).or_default().extend(others);
    }
    rooms
}

#[test]
fn no_files_and_no_rooms_import_each_other_in_a_circle() {
    for name in CRATES {
        let files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src"));
        let arrows = arrows(&files);
        assert!(
            arrows.values().map(BTreeSet::len).sum::<usize>() > arrows.len(),
            "{name}: hardly anything is imported"
        );
        for arrows in [of_rooms(&arrows), arrows] {
            let shown = circle(&arrows).map(|way| way.iter().map(|module| module.join("::")).collect::<Vec<_>>());
            assert_eq!(shown, None, "{name} has a circle");
        }
    }
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let root = crate::common::scratch();
    let write = |file: &str, text: &str| {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let found = || circle(&arrows(&files(root.path()))).map(|way| way.len());
    write("lib.rs", "pub mod a; pub mod b;");
    write(
        "a.rs",
        "mod low; use std::fmt; use crate::b::{self, low::{Thing, Other as Another}}; #[cfg(test)] mod tests { use crate::b; }",
    );
    write("a/low.rs", "use super::Up; fn f(_: super::Up) {}");
    write("b/mod.rs", "pub mod low;");
    write("b/low.rs", "#[cfg(test)] mod tests { use crate::a; } /// crate::a\npub struct Thing;");
    write("b/tests.rs", "use crate::a;");
    assert_eq!(found(), None);
    for third in [
        "use super::super::a;",
        "pub use crate::a as other;",
        "fn f() -> crate::a::Thing { todo!() }",
        "use crate::{a::*};",
    ] {
        write("b/low.rs", third);
        assert_eq!(found(), Some(2), "{third}");
    }
}
