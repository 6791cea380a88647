/** The last words of `npm test`: what it did not try. */
console.log(`
The tests of the docker runtime were LEFT OUT: they need an engine and its images.
  test/support/docker-lab.sh up && npm run test:docker
`);
