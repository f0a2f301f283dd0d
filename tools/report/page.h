/*
 * page.h - report.html, section by section, from the claims of report.json and the lines of the journal. Private to
 * tools/report.
 *
 * A section without claims is left out. Nothing here decides anything: what a claim says was decided in collect*.c.
 */
#ifndef CAISSON_REPORT_PAGE_H
#define CAISSON_REPORT_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <yyjson.h>

#include "journal/journal.h"
#include "lib/buffer.h"

#define PAGE_LISTED 100 /* paths and rows shown of each list; report.json has them all */

struct page {
    struct buffer *out;
    yyjson_val *root; /* of report.json */
    const struct journal *journal;
};

extern const char page_style[];

/* The sections, in their order. */
void page_verdict(const struct page *page);
void page_server(const struct page *page);
void page_steps(const struct page *page);
void page_compare(const struct page *page);
void page_orphans(const struct page *page); /* a part of that one */
void page_checks(const struct page *page);
void page_findings(const struct page *page);
void page_site_changes(const struct page *page);
void page_on_server(const struct page *page);
void page_safety(const struct page *page);
void page_journal(const struct page *page);
void page_sign_off(const struct page *page);
void page_records(const struct page *page);

/* Parts of page_compare: a heading with the records of before and after; old roles and new ones; each user's; sizes. */
void page_compared(const struct page *page, const char *key, yyjson_val *object);
void page_roles(const struct page *page, yyjson_val *roles);
void page_users(const struct page *page, yyjson_val *users);
void page_sizes(const struct page *page, yyjson_val *sizes);

/* <section> with its heading, and its end. */
void page_open(const struct page *page, const char *id, const char *key);
void page_close(const struct page *page);

/* <table> with its head: keys of words.h, those that begin with '#' for columns of numbers; ends with NULL. Then rows, then
 * page_table_end. */
void page_table(const struct page *page, ...) __attribute__((sentinel));
void page_table_end(const struct page *page);

/* Cells. */
void page_cell_member(const struct page *page, yyjson_val *object, const char *key);
void page_cell_number(const struct page *page, yyjson_val *object, const char *key); /* "–" where it is not there */

/* The word "prefix.name" in both languages, or the name itself where the table has none. */
void page_name(const struct page *page, const char *prefix, const char *name);

/* A duration of the object in milliseconds; 0 where it is not there or cannot be one. */
int64_t page_ms(yyjson_val *object, const char *key);

/* "… and 12 more" where a list was cut. */
void page_more(const struct page *page, size_t count);

/* A label with a colour: good | bad | mind | calm. */
void page_badge(const struct page *page, const char *colour, const char *prefix, const char *name);

#endif
