# See docs/deployment.md. The program needs glibc and nothing else: no Node, no certificates (it brings its own).
FROM node:22-bookworm AS build
WORKDIR /src
COPY . .
RUN npm run build

FROM debian:bookworm-slim
COPY --from=build /src/dist/rotator /usr/local/bin/rotator
# The directory must belong to the user before the volume is made from it.
RUN install -d -o 65532 -g 65532 -m 0700 /state
USER 65532:65532
ENV HOME=/state ROTATOR_STATE=/state ROTATOR_HOST=0.0.0.0
VOLUME /state
EXPOSE 8000
ENTRYPOINT ["rotator"]
CMD ["serve"]
