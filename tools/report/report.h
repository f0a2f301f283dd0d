/*
 * report.h - the evidence of a run for people and machines, made from its journal alone: report.html (one file, Chinese and
 * English, nothing loaded from anywhere) and report.json.
 *
 * Every claim names the journal record that made it. What happened is the sequence's business, what it means for whom
 * reads it is said here.
 */
#ifndef CAISSON_REPORT_REPORT_H
#define CAISSON_REPORT_REPORT_H

#include "journal/journal.h"
#include "lib/buffer.h"
#include "lib/error.h"

#define REPORT_HTML "report.html"
#define REPORT_JSON "report.json"

/* Writes report.html and report.json into the folder, each complete or not at all. */
int report_write(const struct journal *journal, int dir_fd, struct error *error) MUST_CHECK;

/* Appends what report.json holds: one JSON object, indented, with a newline (README.md, report.schema.json). */
int report_json(const struct journal *journal, struct buffer *text, struct error *error) MUST_CHECK;

/* Appends report.html. json: what report_json gave for this journal. */
int report_html(const struct journal *journal, const struct buffer *json, struct buffer *text, struct error *error)
    MUST_CHECK;

#endif
