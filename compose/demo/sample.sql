-- The sample of docs/examples, and what headrace's user needs. MySQL's image runs this once, on an empty data folder,
-- after it has made the user from MYSQL_USER and its password.
GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'headrace'@'%';

CREATE DATABASE order_dw;
CREATE TABLE order_dw.user (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(50) NOT NULL);
CREATE TABLE order_dw.`order` (
  id BIGINT NOT NULL PRIMARY KEY, product VARCHAR(50) NOT NULL, user_id BIGINT NOT NULL
);
CREATE TABLE order_dw.feedback (
  id BIGINT NOT NULL PRIMARY KEY, user_id BIGINT NOT NULL, comment VARCHAR(50) NOT NULL
);
INSERT INTO order_dw.user VALUES (1, 'Tom'), (2, 'Jerry');
INSERT INTO order_dw.`order` VALUES (1, 'Football', 2), (2, 'Basket', 1);
INSERT INTO order_dw.feedback VALUES (1, 1, 'Good.'), (2, 2, 'Very good');
