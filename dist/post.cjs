'use strict'
void require('./index.cjs').post()
