'use strict'
void require('./index.cjs').main()
