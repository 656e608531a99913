class TokenHelpers < Formula
  desc "Get and explain tokens for HTCondor and XRootD"
  homepage "https://example.org/token-helpers"
  version "{{.Version}}"
  license "Apache-2.0"

  on_macos do
{{- range only "darwin" .Archives}}
    on_{{if eq .Arch "arm64"}}arm{{else}}intel{{end}} do
      url "{{.URL}}"
      sha256 "{{.SHA256}}"
    end
{{- end}}
  end

  on_linux do
{{- range only "linux" .Archives}}
    on_{{if eq .Arch "arm64"}}arm{{else}}intel{{end}} do
      url "{{.URL}}"
      sha256 "{{.SHA256}}"
    end
{{- end}}
  end

  def install
    bin.install Dir["bin/*"]
    man1.install Dir["share/man/man1/*"]
    man5.install Dir["share/man/man5/*"]
    man7.install Dir["share/man/man7/*"]
    bash_completion.install Dir["share/bash-completion/completions/*"]
    zsh_completion.install Dir["share/zsh/site-functions/*"]
    fish_completion.install Dir["share/fish/vendor_completions.d/*"]
    doc.install Dir["share/doc/token-helpers/*"], "etc/token-helpers/config.toml"
  end

  test do
    assert_equal "condor-token-helper {{.Version}}", shell_output("#{bin}/condor-token-helper --version").strip
    assert_match "audience", shell_output("#{bin}/jwt-inspect --explain aud")
  end
end
