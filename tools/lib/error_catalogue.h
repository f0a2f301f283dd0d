/*
 * error_catalogue.h - the one table of everything an operator can be told. Included twice by error.h and error.c.
 *
 * ERROR_ENUM(enum name, stable code, exit code, title, remedy). A code, once released, keeps its meaning for ever;
 * one that is no longer used stays here as a gap. Letters: U usage, S system, J job, L journal, K package, T target
 * server, D database, R repository, E encryption, F file trees, A assessment, Q the sequence.
 */
/* clang-format off */

/* U: the command line */
ERROR_ENUM(CSN_USAGE, "CSN-U001", EXIT_USAGE, "the command line is not understood",
    "See `caisson --help`, or `caisson COMMAND --help` for one command.")

/* S: the machine */
ERROR_ENUM(CSN_INTERNAL, "CSN-S001", EXIT_SYSTEM, "an internal contradiction, a defect of Caisson",
    "Stop here; nothing further is done. Keep the journal and report the message to the makers.")
ERROR_ENUM(CSN_MEMORY, "CSN-S002", EXIT_SYSTEM, "memory is used up",
    "Give the machine more memory, or put the scratch area on the backup disk (job: [rehearsal] scratch = backup).")
ERROR_ENUM(CSN_IO, "CSN-S003", EXIT_SYSTEM, "reading or writing failed",
    "Check the disk and its cable (dmesg), then do the same again: a run goes on or undoes, a backup stores only what is missing.")
ERROR_ENUM(CSN_NO_SPACE, "CSN-S004", EXIT_SYSTEM, "a disk is full",
    "Free the space named in the message or use a larger disk, then run again.")
ERROR_ENUM(CSN_NOT_FOUND, "CSN-S005", EXIT_USAGE, "a file or folder is not there",
    "Check the path in the message.")
ERROR_ENUM(CSN_PRIVILEGE, "CSN-S006", EXIT_SYSTEM, "this needs rights the program does not have",
    "Run it as root, or boot the Caisson image. What is read-only has to be mounted writable first; dmesg may say why it is not.")
ERROR_ENUM(CSN_PROCESS, "CSN-S008", EXIT_SYSTEM, "a program could not be started or was killed",
    "Read the program's last lines in the journal.")
ERROR_ENUM(CSN_TIMEOUT, "CSN-S009", EXIT_SYSTEM, "something took longer than its limit",
    "Look at the last lines of its output in the journal. If it was still working, its limit is in the profile or the package (timeout).")
ERROR_ENUM(CSN_BUSY, "CSN-S010", EXIT_BAD, "another run of Caisson is at work there",
    "Wait until it has ended. If it hangs, end it and run `caisson resume`. Nothing was changed by this one.")
ERROR_ENUM(CSN_KERNEL, "CSN-S011", EXIT_SYSTEM, "the kernel is too old",
    "Run it on Linux 5.6 or newer, or boot the Caisson image. Nothing was done.")
ERROR_ENUM(CSN_EXISTS, "CSN-S012", EXIT_BAD, "the file to be written is there already",
    "Name another file, or remove that one if nobody needs it.")

/* J: the job */
ERROR_ENUM(CSN_JOB_MISSING, "CSN-J001", EXIT_USAGE, "there is no job",
    "Put one file NAME.job in the root of the stick (or jobs/MAC.job on the boot server); tools/sequence/job.md says what belongs in it.")
ERROR_ENUM(CSN_JOB_SYNTAX, "CSN-J002", EXIT_USAGE, "a line of an INI file is not understood",
    "Correct the line named; a line is [section], key = value, or starts with ; or #.")
ERROR_ENUM(CSN_JOB_UNKNOWN_KEY, "CSN-J003", EXIT_USAGE, "a section or key that does not exist",
    "Correct the spelling; the pages job.md, profile.md and the package's README.md list every key. Nothing was done.")
ERROR_ENUM(CSN_JOB_REPEATED_KEY, "CSN-J004", EXIT_USAGE, "a key is given twice",
    "Keep one of the two lines. Nothing was done.")
ERROR_ENUM(CSN_JOB_VALUE, "CSN-J005", EXIT_USAGE, "a value is not of the kind the key takes",
    "Correct the value; the message says what is expected. Nothing was done.")
ERROR_ENUM(CSN_JOB_KEY_MISSING, "CSN-J006", EXIT_USAGE, "a key that must be there is missing",
    "Add the key named. Nothing was done.")
ERROR_ENUM(CSN_JOB_SEVERAL, "CSN-J007", EXIT_USAGE, "several jobs fit this server",
    "Leave one job on the stick, or start it by name from the menu.")

/* L: the journal */
ERROR_ENUM(CSN_JOURNAL_WRITE, "CSN-L001", EXIT_SYSTEM, "the journal cannot be written",
    "Nothing may happen that is not journaled, so the run stopped. Check that the stick and the server's disk are there and not full, then boot again: it goes on or undoes.")
ERROR_ENUM(CSN_JOURNAL_BROKEN, "CSN-L002", EXIT_BAD, "the journal's chain of hashes does not hold",
    "Somebody or something changed a past line. `caisson resume` and `caisson rollback` go on from the other copy if that is whole. If none is, keep both for the auditor, and use the backup and the old folders by hand.")
ERROR_ENUM(CSN_JOURNAL_UNFINISHED, "CSN-L003", EXIT_BAD, "an earlier run is not finished",
    "Boot that run's stick with a job that runs, or run `caisson resume` (goes on or undoes by itself) or `caisson rollback`, before anything else.")
ERROR_ENUM(CSN_JOURNAL_NONE, "CSN-L004", EXIT_BAD, "there is no journal of a run on this server",
    "Nothing has been done that could be resumed or undone. Check that the right server and stick are connected.")
ERROR_ENUM(CSN_JOURNAL_FORK, "CSN-L005", EXIT_BAD, "the journals on the server and on the stick tell different stories",
    "One of the two belongs to another run or was changed. Use the stick of this server's last run.")
ERROR_ENUM(CSN_JOURNAL_NEWER, "CSN-L006", EXIT_BAD, "a newer run stands on this server",
    "Nothing was changed. Go back from the newer run first, with its own stick if this one cannot.")

/* K: the package */
ERROR_ENUM(CSN_PACKAGE_OPEN, "CSN-K001", EXIT_BAD, "the file is not an offline package, or it is cut short",
    "Copy the package to the stick again and compare its size and checksum with the vendor's.")
ERROR_ENUM(CSN_PACKAGE_SIGNATURE_MISSING, "CSN-K002", EXIT_BAD, "the package is not signed",
    "Get the signed package from the vendor. An unsigned package is never used.")
ERROR_ENUM(CSN_PACKAGE_SIGNATURE_BAD, "CSN-K003", EXIT_BAD, "the package's signature does not hold",
    "The package was changed, or signed by someone this image does not trust. Get it again from the vendor, or an image that was built with the vendor's root (TRUST=root.pem).")
ERROR_ENUM(CSN_PACKAGE_DAMAGED, "CSN-K004", EXIT_BAD, "a member of the package differs from what was signed",
    "Copy the package to the stick again; if it stays, the medium is failing.")
ERROR_ENUM(CSN_PACKAGE_APPLICATION, "CSN-K005", EXIT_BAD, "the package is for another application",
    "Choose the package of the application that was found on this server.")
ERROR_ENUM(CSN_PACKAGE_VERSION, "CSN-K006", EXIT_BAD, "the package does not upgrade from the version found",
    "Get the package, or the chain of packages, that starts at the version named.")
ERROR_ENUM(CSN_PACKAGE_UNSAFE, "CSN-K007", EXIT_BAD, "the package holds a member that could write outside its folder or raise rights",
    "Do not use this package; tell the vendor the name in the message. At `caisson pack`: take it out of the new tree.")
ERROR_ENUM(CSN_PACKAGE_CONTENT, "CSN-K008", EXIT_BAD, "the package's own files contradict each other",
    "Tell the vendor the message; `caisson pack` checks this when the package is built.")
ERROR_ENUM(CSN_PACKAGE_INPUT, "CSN-K009", EXIT_USAGE, "the folder to pack is not complete",
    "Add or correct what the message names; tools/package/README.md says what belongs in the folder.")
ERROR_ENUM(CSN_PACKAGE_SIGNING, "CSN-K010", EXIT_BAD, "the package cannot be signed",
    "Check the certificate and the key given to `caisson pack`.")
ERROR_ENUM(CSN_TRUST_NONE, "CSN-K011", EXIT_USAGE, "there is no trust anchor",
    "Build the image with TRUST=root.pem, or give --trust FILE.")

/* T: the server */
ERROR_ENUM(CSN_TARGET_DISK_MISSING, "CSN-T001", EXIT_BAD, "a disk that the job names is not there",
    "Connect it, or correct the job; `caisson identify` lists the disks that are there.")
ERROR_ENUM(CSN_TARGET_NONE, "CSN-T002", EXIT_BAD, "no known application was found on any disk",
    "Check the disks in `caisson identify`; an application needs a profile in the image, the package or the stick.")
ERROR_ENUM(CSN_TARGET_SEVERAL, "CSN-T003", EXIT_BAD, "more than one installation fits",
    "Name the one meant in the job: [server] disks, and [server] program-root where one disk has two.")
ERROR_ENUM(CSN_TARGET_MOUNT, "CSN-T004", EXIT_SYSTEM, "a file system of the server or of the backup disk cannot be mounted",
    "If the server was not shut down cleanly, boot it once, shut it down in order, and come again. A backup disk needs one file system: ext2 to ext4, XFS, btrfs, FAT, exFAT or NTFS.")
ERROR_ENUM(CSN_TARGET_DIRTY, "CSN-T005", EXIT_BAD, "a file system of the server was not unmounted cleanly",
    "Boot the server once, let it recover, shut it down in order, and come again.")
ERROR_ENUM(CSN_TARGET_PROTECT, "CSN-T006", EXIT_SYSTEM, "a disk cannot be write-protected, or its protection cannot be lifted",
    "Take the disk named off this machine, or look into dmesg. Nothing was written to a disk that stays protected.")
ERROR_ENUM(CSN_TARGET_PROFILE, "CSN-T007", EXIT_BAD, "what the profile says does not fit the server",
    "Correct the profile or the server: the message names the path or query.")
ERROR_ENUM(CSN_TARGET_NAMESPACE, "CSN-T008", EXIT_SYSTEM, "the closed room for the server's programs cannot be made",
    "Run as root on a kernel with overlayfs and namespaces; the Caisson image has them.")
ERROR_ENUM(CSN_TARGET_AMBIGUOUS_DISK, "CSN-T009", EXIT_BAD, "a name in the job fits more than one disk",
    "Use the disk's serial: or, where one disk has several file systems, the uuid: of the one meant; `caisson identify` shows both.")
ERROR_ENUM(CSN_TARGET_SERVICES, "CSN-T010", EXIT_BAD, "the server's way of starting services is not known",
    "Only systemd can be fenced by this release; the message says what was found.")
ERROR_ENUM(CSN_TARGET_HTTP, "CSN-T011", EXIT_BAD, "the application does not answer as it should",
    "Read the answer and the application's last lines in the journal.")
ERROR_ENUM(CSN_TARGET_ERRORS, "CSN-T012", EXIT_BAD, "a file system of the server is marked as having errors",
    "Its kernel met damage there: look into the server's log and its disk, run fsck on it (`e2fsck -f DEVICE`), and come again.")
ERROR_ENUM(CSN_TARGET_UNSEEN, "CSN-T013", EXIT_BAD, "a part of the application is missing, and a file system of the server is not mounted here",
    "It may lie there: repair that file system (fsck) or its line in fstab, or connect its disk, and come again. If it does not, correct the profile.")

/* D: the database */
ERROR_ENUM(CSN_DATABASE_NOT_CLUSTER, "CSN-D001", EXIT_BAD, "the folder is not a PostgreSQL cluster",
    "Correct [database] cluster in the profile. If the path is right, the message says what is wrong with what lies there.")
ERROR_ENUM(CSN_DATABASE_UNCLEAN, "CSN-D002", EXIT_BAD, "the database was not shut down cleanly",
    "Boot the server, let PostgreSQL recover, stop it in order (systemctl stop postgresql), shut down, and come again. Or let the copy be "
    "recovered and upgraded, where the assessment says that it recovers: recover = yes in [database] of the job.")
ERROR_ENUM(CSN_DATABASE_START, "CSN-D003", EXIT_BAD, "the server's own PostgreSQL does not start",
    "Read its last lines in the message and the journal.")
ERROR_ENUM(CSN_DATABASE_QUERY, "CSN-D004", EXIT_BAD, "a query failed",
    "The message has the server's own words; correct the profile or package that the query came from.")
ERROR_ENUM(CSN_DATABASE_DIFFERS, "CSN-D005", EXIT_BAD, "two databases that must be equal are not",
    "The message names the first table; the report has all.")
ERROR_ENUM(CSN_DATABASE_VERSION, "CSN-D006", EXIT_BAD, "no PostgreSQL of the cluster's version is on the server",
    "Install the missing version on the server, or name its folder in the profile: [database] binaries.")
ERROR_ENUM(CSN_DATABASE_MIGRATION, "CSN-D007", EXIT_BAD, "a migration failed",
    "The message has its last lines; the old data are untouched. Send the journal to the vendor.")
ERROR_ENUM(CSN_DATABASE_RUNNING, "CSN-D008", EXIT_BAD, "the database is running",
    "Stop PostgreSQL first (systemctl stop postgresql), or boot the image.")
ERROR_ENUM(CSN_DATABASE_UNREACHABLE, "CSN-D009", EXIT_BAD, "the database server does not answer",
    "Check that it runs and listens there (listen_addresses, port), the cable, the address, and the firewall between. Nothing was changed.")
ERROR_ENUM(CSN_DATABASE_TLS, "CSN-D010", EXIT_BAD, "there is no secure way to the database server",
    "The message says whose certificate is not accepted and why. Give the right root certificate and host name, or have the server's "
    "certificate mended; do not go on without TLS over a network that others use. Nothing was sent but a greeting.")
ERROR_ENUM(CSN_DATABASE_LOGIN, "CSN-D011", EXIT_BAD, "the database server does not let us in",
    "Correct user, password, certificate or database as the message says, or have a line added to the server's pg_hba.conf. Nothing was changed.")
ERROR_ENUM(CSN_DATABASE_RELATIVE, "CSN-D012", EXIT_BAD, "the database server is not PostgreSQL, or not one of a known version",
    "Caisson works with PostgreSQL 10 to 18. For a relative (openGauss, Kingbase, ...) use its vendor's backup and the application's updater. Nothing was changed.")
ERROR_ENUM(CSN_DATABASE_SESSIONS, "CSN-D014", EXIT_BAD, "others use the database",
    "Stop the application and whatever else the message names, then run again. Nobody's session was ended, and nothing was changed.")
ERROR_ENUM(CSN_DATABASE_DAMAGED, "CSN-D013", EXIT_BAD, "the database's files are damaged",
    "An index is made anew on the running server: REINDEX INDEX NAME. A damaged table needs a good backup, or somebody who knows PostgreSQL's files: "
    "do not upgrade it. Then look at disk and memory. Nothing was changed.")

/* R: the repository */
ERROR_ENUM(CSN_REPOSITORY_NOT, "CSN-R001", EXIT_USAGE, "the folder is not a repository",
    "Check the path; `caisson repository init DIR` makes a new one.")
ERROR_ENUM(CSN_REPOSITORY_EXISTS, "CSN-R002", EXIT_BAD, "there is a repository or something else already",
    "Use it, or choose an empty folder.")
ERROR_ENUM(CSN_REPOSITORY_FULL, "CSN-R003", EXIT_SYSTEM, "the disk of the repository is full",
    "Use a larger backup disk or remove old files from it. What was complete before stays complete; run again and it goes on.")
ERROR_ENUM(CSN_REPOSITORY_DAMAGED, "CSN-R004", EXIT_BAD, "the repository is damaged",
    "`caisson verify --all` names what it costs, `caisson repair` saves what can be had, `caisson restore --skip-damaged` restores the rest. Then make a new backup on another disk.")
ERROR_ENUM(CSN_REPOSITORY_NO_SNAPSHOT, "CSN-R005", EXIT_USAGE, "there is no such snapshot",
    "`caisson snapshots` lists those that are there.")
ERROR_ENUM(CSN_REPOSITORY_VERSION, "CSN-R006", EXIT_BAD, "the repository was written by a newer release",
    "Use an image at least as new as the one that wrote it.")
ERROR_ENUM(CSN_REPOSITORY_CHANGED, "CSN-R007", EXIT_BAD, "files changed while they were being read",
    "Stop the application and run the backup again.")
ERROR_ENUM(CSN_REPOSITORY_TARGET, "CSN-R008", EXIT_BAD, "the place to restore to is not empty",
    "Choose an empty folder.")
ERROR_ENUM(CSN_REPOSITORY_DIFFERS, "CSN-R009", EXIT_BAD, "what was restored is not what was backed up",
    "The backup does not count. Run memory and disk checks, then make a new one on another disk.")
ERROR_ENUM(CSN_REPOSITORY_LOCKED, "CSN-R010", EXIT_USAGE, "the repository is encrypted, and no key that could read it was given",
    "Give the identity that belongs to one of its recipients: --identity FILE. To back up, none is needed.")
ERROR_ENUM(CSN_REPOSITORY_RECIPIENTS, "CSN-R011", EXIT_BAD, "the repository is for other readers than were named",
    "Name exactly its recipients (`repository.json` lists them), if they are right; else use a new folder, which is encrypted as named.")
ERROR_ENUM(CSN_REPOSITORY_NAME, "CSN-R012", EXIT_BAD, "the file system cannot hold a name or a kind of file",
    "Restore onto a Linux file system (ext4, XFS). `caisson restore --dry-run` names all such paths; with --skip-unsupported they are left out, and the rest is restored.")
ERROR_ENUM(CSN_REPOSITORY_UNLOCKED, "CSN-R013", EXIT_BAD, "locks on that file system may not reach other machines",
    "See to it that no other machine uses the repository, then say so: --alone.")
ERROR_ENUM(CSN_REPOSITORY_PRUNED, "CSN-R014", EXIT_BAD, "packs were removed while the backup ran",
    "Run the backup again, and `prune` and `repair` only while nobody else uses the repository.")
ERROR_ENUM(CSN_REPOSITORY_KEY, "CSN-R015", EXIT_BAD, "key.age, the key that the passphrase opens, is lost",
    "No passphrase helps. If another copy of this repository has a good key.age, put it here and run `caisson repair`. Else only --identity FILE (a recipient's, or a machine's own key) reads it: start a new repository.")
ERROR_ENUM(CSN_REPOSITORY_LIMIT, "CSN-R016", EXIT_BAD, "the list of files is longer than one snapshot can be",
    "Back the folders up one by one, each as a snapshot of its own.")

/* E: encryption */
ERROR_ENUM(CSN_AGE_NOT, "CSN-E001", EXIT_BAD, "the file is not encrypted as age v1",
    "Check that it is the file meant. One in ASCII armor, or of a newer version, has to be decrypted with age itself.")
ERROR_ENUM(CSN_AGE_KEY, "CSN-E002", EXIT_USAGE, "a recipient or an identity is not one",
    "Copy it again, whole: a recipient is age1..., as `age-keygen -y FILE` prints it; an identity is a file with a line AGE-SECRET-KEY-1...")
ERROR_ENUM(CSN_AGE_NO_IDENTITY, "CSN-E003", EXIT_BAD, "none of the identities given opens the file",
    "Give the identity that belongs to one of its recipients (`repository.json` lists a repository's): --identity FILE. If it opened other files of the same backup, this one is damaged.")
ERROR_ENUM(CSN_AGE_PASSPHRASE, "CSN-E004", EXIT_USAGE, "a passphrase is needed",
    "Give it: --passphrase-file FILE (its first line). To read a repository, --identity FILE does as well, with the identity of a recipient.")
ERROR_ENUM(CSN_AGE_PASSPHRASE_WRONG, "CSN-E005", EXIT_BAD, "the passphrase does not open the file",
    "Type it again; check the keyboard's layout and Caps Lock. If it opened the file before, the file is damaged.")
ERROR_ENUM(CSN_AGE_WORK, "CSN-E006", EXIT_BAD, "the passphrase's work factor is greater than allowed",
    "Only somebody who wants to stop this machine writes such a file. Check where it comes from.")
ERROR_ENUM(CSN_AGE_DAMAGED, "CSN-E007", EXIT_BAD, "an encrypted file is damaged or was changed",
    "Copy it again from its source, or use another copy. Nothing of the damaged part was used.")

/* F: file trees */
ERROR_ENUM(CSN_TREE_READ, "CSN-F001", EXIT_SYSTEM, "a file of a tree cannot be read",
    "Check the disk (dmesg) and the file named.")
ERROR_ENUM(CSN_TREE_WRITE, "CSN-F002", EXIT_SYSTEM, "a file of a tree cannot be written",
    "Check the disk and its free space.")
ERROR_ENUM(CSN_TREE_ATTRIBUTE, "CSN-F003", EXIT_SYSTEM, "an attribute (owner, ACL, xattr, capability) cannot be kept",
    "The file system written to does not carry it: use ext4, XFS or btrfs, or run as root.")
ERROR_ENUM(CSN_TREE_MANIFEST, "CSN-F004", EXIT_BAD, "a manifest cannot be read",
    "It is not mtree, or was cut short. Get it again.")
ERROR_ENUM(CSN_TREE_RENAME, "CSN-F005", EXIT_SYSTEM, "two folders cannot be exchanged",
    "They must lie on one file system that can exchange names (ext4, XFS, btrfs).")

/* A: assessment */
ERROR_ENUM(CSN_ASSESS_BLOCKED, "CSN-A001", EXIT_BAD, "the assessment found what stops the upgrade",
    "Mend what the blockers above name, then run again. Nothing was changed.")
ERROR_ENUM(CSN_ASSESS_WARNING, "CSN-A002", EXIT_BAD, "the assessment found warnings that nobody has accepted",
    "Mend them, or accept each by its name in the job: [accept] warnings = NAME, NAME.")
ERROR_ENUM(CSN_ASSESS_CONFLICT, "CSN-A003", EXIT_BAD, "files were changed by the site and by the vendor",
    "Answer each in the job: [answers] PATH = site | vendor.")
ERROR_ENUM(CSN_ASSESS_SPACE, "CSN-A004", EXIT_BAD, "there is not enough free space",
    "Free what the message names on the disk it names. If that is the server's and cannot be, the job may let the database be upgraded in place: "
    "[database] in-place.")
ERROR_ENUM(CSN_ASSESS_REQUIREMENT, "CSN-A005", EXIT_BAD, "the server does not meet what the package asks for",
    "Bring the server to what the message names first.")
ERROR_ENUM(CSN_ASSESS_SCHEMA, "CSN-A007", EXIT_BAD, "the database's schema is not of the version that it should be",
    "An earlier upgrade may have failed half-way: ask the vendor how to finish it or take it back, or restore the backup made before it. "
    "Nothing was changed.")
ERROR_ENUM(CSN_ASSESS_ROLE, "CSN-A006", EXIT_BAD, "a role in use has no line in the role map",
    "Add a line for it in the job: [roles] OLD = NEW.")

/* Q: the sequence */
ERROR_ENUM(CSN_SEQUENCE_PROOF, "CSN-Q001", EXIT_BAD, "the backup could not be proven",
    "Nothing was upgraded. Make a new backup on another disk; do not trust this one.")
ERROR_ENUM(CSN_SEQUENCE_REHEARSAL, "CSN-Q002", EXIT_BAD, "the rehearsal failed",
    "Nothing was upgraded. The report says at which step and why; send the journal to the vendor.")
ERROR_ENUM(CSN_SEQUENCE_BUDGET, "CSN-Q003", EXIT_BAD, "the rehearsed rollback takes longer than the budget",
    "Raise [budget] rollback-minutes in the job if the site agrees, or use faster disks. Nothing was upgraded.")
ERROR_ENUM(CSN_SEQUENCE_VERIFY, "CSN-Q004", EXIT_ROLLED_BACK, "the upgraded application failed its checks",
    "The server is exactly as it was before. The report says which check failed.")
ERROR_ENUM(CSN_SEQUENCE_ROLLED_BACK, "CSN-Q005", EXIT_ROLLED_BACK, "the upgrade failed and was rolled back",
    "The server is exactly as it was before. The report says at which step and why.")
ERROR_ENUM(CSN_SEQUENCE_ROLLBACK_FAILED, "CSN-Q006", EXIT_NEEDS_PERSON, "the rollback could not be completed",
    "Do not boot the server. Mend what the message names, boot this stick again: it goes on with the rollback.")
ERROR_ENUM(CSN_SEQUENCE_STALE, "CSN-Q007", EXIT_BAD, "the server changed since it was assessed",
    "Run the job again; it assesses and rehearses anew.")
ERROR_ENUM(CSN_SEQUENCE_TERM, "CSN-Q008", EXIT_BAD, "the old version is no longer kept",
    "Somebody removed or replaced it; Caisson itself never does. Nothing was changed. Restore the snapshot named in the report instead.")
ERROR_ENUM(CSN_SEQUENCE_REHEARSED_ROLLBACK, "CSN-Q009", EXIT_BAD, "going back failed in the rehearsal",
    "Nothing was upgraded, and no job can force past it: send both journals of the run's folder to the vendor.")
ERROR_ENUM(CSN_SEQUENCE_NO_WAY_BACK, "CSN-Q010", EXIT_BAD, "going back is not possible as the server stands",
    "Nothing was changed. Put in order what the message names and roll back again, or restore the snapshot named in the report.")
ERROR_ENUM(CSN_SEQUENCE_BACKUP_AWAY, "CSN-Q011", EXIT_NEEDS_PERSON, "the backup that brings the database back is not at hand",
    "Do not boot the server. Attach the backup disk that the job names and boot this stick again: it goes on with the rollback.")
/* clang-format on */
