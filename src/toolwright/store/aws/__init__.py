"""Floor 1: a shelf that machines share. An `s3://` address goes in, a Store on S3 and DynamoDB comes out."""
