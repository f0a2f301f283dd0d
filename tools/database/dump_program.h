/*
 * dump_program.h - pg_dump, pg_dumpall and pg_restore as commands of this program: PostgreSQL's own, with our TLS below.
 *
 * A connection is told to them on standard input by those who run them for us (dump.h), so that no secret stands where other
 * processes can read it: not on a command line, not in an environment.
 */
#ifndef CAISSON_DATABASE_DUMP_PROGRAM_H
#define CAISSON_DATABASE_DUMP_PROGRAM_H

/* As argv[1]: standard input is a connection string of libpq's, to be taken as --dbname. */
#define DUMP_CONNECTION_OPTION "--connection-from-stdin"

/* Runs the program that argv[0] names. Its exit code; mostly it does not return. */
int dump_program(int argc, char **argv);

#endif
