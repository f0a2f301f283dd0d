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
#include "lib/error.h"

/* Writes report.html and report.json into the folder, each complete or not at all. */
int report_write(const struct journal *journal, int dir_fd, struct error *error) MUST_CHECK;

#endif
