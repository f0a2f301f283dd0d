INSERT INTO announcement VALUES (1, 'Welcome to the new release', NULL);
