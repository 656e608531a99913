# Evaluates the formula with the part of Homebrew's interface that it uses, because Homebrew itself
# is not in Debian: it installs the formula's archive for each system, and runs its test.
#
# usage: formula.rb FORMULA DIST DIRECTORY URL
#
# DIST contains the archives, and URL is where they will be published. For each system, the command
# prints the files of the archive that the formula does not install.
require "digest"
require "fileutils"
require "open3"
require "pathname"

class Formula
  class << self
    attr_reader :archives, :test_block

    # Metadata. Homebrew requires these fields.
    %i[desc homepage version license].each do |name|
      define_method(name) do |value = nil|
        @metadata ||= {}
        @metadata[name] = value if value
        @metadata.fetch(name)
      end
    end

    # The blocks in which url and sha256 are for one system.
    { on_macos: "darwin", on_linux: "linux", on_arm: "arm64", on_intel: "amd64" }.each do |name, part|
      define_method(name) do |&block|
        @system = [*@system, part]
        class_eval(&block)
        @system = @system[0..-2]
      end
    end

    def url(value)
      archive[:url] = value
    end

    def sha256(value)
      archive[:sha256] = value
    end

    def test(&block)
      @test_block = block
    end

    private

    def archive
      @archives ||= {}
      @archives[@system.join("-")] ||= {}
    end
  end

  # A directory of the installation. Like Homebrew's, it moves files, and warns of missing ones.
  class Directory < Pathname
    def install(*sources)
      raise "no files for #{self}" if sources.any? { |s| s.respond_to?(:empty?) && s.empty? }

      mkpath
      sources.flatten.each do |source|
        raise "#{self}/#{File.basename(source)} exists" if (self / File.basename(source)).exist?

        FileUtils.mv(source, self)
      end
    end
  end

  { bin: "bin", man1: "share/man/man1", man5: "share/man/man5", man7: "share/man/man7",
    bash_completion: "etc/bash_completion.d", zsh_completion: "share/zsh/site-functions",
    fish_completion: "share/fish/vendor_completions.d", doc: "share/doc/token-helpers" }.each do |name, dir|
    define_method(name) { Directory.new(File.join(@prefix, dir)) }
  end

  def initialize(prefix)
    @prefix = prefix
  end

  def run_test
    instance_eval(&self.class.test_block)
  end

  def shell_output(command)
    out, status = Open3.capture2(command)
    raise "#{command}: #{status}" unless status.success?

    out
  end

  def assert_equal(want, got)
    raise "got #{got.inspect}, want #{want.inspect}" unless want == got
  end

  def assert_match(pattern, text)
    raise "#{pattern.inspect} is missing in #{text.inspect}" unless Regexp.new(pattern).match?(text)
  end
end

path, dist, directory, base = ARGV
directory = File.expand_path(directory)
load File.expand_path(path)
# Homebrew derives the class from the name of the file.
formula = Object.const_get(File.basename(path, ".rb").split("-").map(&:capitalize).join)
puts "#{formula.desc}, #{formula.version}, #{formula.license}, #{formula.homepage}"
raise "the description is too long" if formula.desc.length > 80

systems = %w[darwin-amd64 darwin-arm64 linux-amd64 linux-arm64]
raise "archives for #{formula.archives.keys}" if formula.archives.keys.sort != systems

# The program can run on one system only.
this = "linux-#{{ "x86_64" => "amd64", "aarch64" => "arm64" }.fetch(`uname -m`.strip)}"
formula.archives.sort.each do |system, archive|
  name = "token-helpers-#{formula.version}-#{system}.tar.gz"
  raise "#{archive[:url]} is not #{base}/#{name}" if archive[:url] != "#{base}/#{name}"

  file = File.join(dist, name)
  raise "#{name}: wrong checksum" if Digest::SHA256.file(file).hexdigest != archive[:sha256]

  source = File.join(directory, system, "source")
  prefix = File.join(directory, system, "prefix")
  FileUtils.mkdir_p([source, prefix])
  # Homebrew enters the only directory of an archive.
  Kernel.system("tar", "-xzf", file, "-C", source, "--strip-components=1", exception: true)
  f = formula.new(prefix)
  Dir.chdir(source) { f.install }
  Dir.glob("#{source}/**/*").reject { |left| File.directory?(left) }.sort.each { |left| puts "#{system}: not installed: #{left.delete_prefix("#{source}/")}" }
  Dir.glob("#{prefix}/**/*").each { |link| raise "#{link} is a broken link" if File.symlink?(link) && !File.exist?(link) }
  Dir.glob("#{prefix}/share/man/man*/*").each { |page| raise "#{page} is in another section" unless page.end_with?(".#{page[%r{/man(\d)/}, 1]}.gz") }
  f.run_test if system == this
  puts "#{system}: #{Dir.glob("#{prefix}/**/*").count { |installed| File.file?(installed) }} files installed#{", tested" if system == this}"
end
