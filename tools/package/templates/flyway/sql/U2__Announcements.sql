-- Left out by `caisson pack`: going back is a matter of a few renames there.
DROP TABLE announcement;
