namespace Portmap.Tool.Tests;

/// <summary>The words that a shell is offered, and what the shells themselves make of them.</summary>
public sealed class CompletionTests : ToolTest
{
    private Tmux? _terminal;

    /// <summary>Owners of which a shell would make something else.</summary>
    public static TheoryData<string> Hostile => ["x$(touch hit)", "x`touch hit`", "x;touch hit", "x*", "xit's", "x \\\"q", "x!1", "x~&|<>#{a,b}[c]"];

    public override Task InitializeAsync() => ServeAsync();

    public override async Task DisposeAsync()
    {
        if (_terminal is not null)
        {
            await _terminal.DisposeAsync();
        }

        await base.DisposeAsync();
    }

    [Fact]
    public async Task Complete_OfLookup_OffersOwners()
    {
        await RegisterAsync("volume:b1");

        (await CompleteAsync("portmap lookup --timeout 30 volume:")).Lines.Should().Equal("volume:b1");
        (await CompleteAsync("portmap wa")).Lines.Should().Equal("watch");
    }

    [Theory]
    [InlineData("portmap lookup -q --timeout 30 ")]
    [InlineData("portmap lookup --json --timeout 30 vol")]
    [InlineData("portmap release --force --timeout 30 ")]
    public async Task Complete_BehindAFlag_OffersOwners(string line)
    {
        await RegisterAsync("volume:b1");

        (await CompleteAsync(line)).Lines.Should().Contain("volume:b1").And.NotContain("True");
    }

    [Theory]
    [InlineData("portmap lookup --timeout soon volume:")]
    [InlineData("portmap lookup --endpoint nowhere volume:")]
    [InlineData("portmap fleet lookup --timeout soon volume:")]
    [InlineData("portmap fleet lookup --endpoints ftp://127.0.0.1 volume:")]
    [InlineData("portmap release --endpoint unix:relative volume:")]
    public async Task Complete_OfALineWithAnOptionThatIsWrong_OffersNothing(string line)
    {
        (await CompleteAsync(line)).Should().BeEquivalentTo(new Outcome(0, [], string.Empty));
    }

    [Fact]
    public async Task Complete_OfAnOwnerThatBreaksALineOrSteersATerminal_LeavesItOut()
    {
        await RegisterAsync("vol-a\nvol-b");
        await RegisterAsync("vol-\e[31mc");
        await RegisterAsync("vol-\u202Ed");
        await RegisterAsync("vol-e");

        (await CompleteAsync("portmap lookup --timeout 30 vol")).Lines.Should().Equal("vol-e");
    }

    [Fact]
    public async Task Complete_OfAnOwnerThatWouldBeAnOption_LeavesItOut()
    {
        await RegisterAsync("--vol");

        (await CompleteAsync("portmap lookup --timeout 30 --v")).Lines.Should().BeEmpty();
    }

    [NeedsTheory("tmux", Also = ["bash"])]
    [InlineData("portmap doc", "portmap doctor")]
    [InlineData("portmap lookup --timeout 30 vol0:/b", "portmap lookup --timeout 30 vol0:/b1")]
    [InlineData("portmap lookup --timeout 30 'vol0:/b", "portmap lookup --timeout 30 'vol0:/b1'")]
    [InlineData("portmap lookup --timeout 30 \"vol0:/b", "portmap lookup --timeout 30 \"vol0:/b1\"")]
    [InlineData("portmap nothing", "portmap nothingX")]
    public Task CompletionBash_OfAWord_CompletesIt(string typed, string completed) => CompletesAsync("bash", typed, completed);

    [NeedsTheory("tmux", Also = ["zsh"])]
    [InlineData("portmap doc", "portmap doctor")]
    [InlineData("portmap lookup --timeout 30 vol0:/b", "portmap lookup --timeout 30 vol0:/b1")]
    [InlineData("portmap nothing", "portmap nothingX")]
    public Task CompletionZsh_OfAWord_CompletesIt(string typed, string completed) => CompletesAsync("zsh", typed, completed);

    [NeedsTheory("tmux", Also = ["fish"])]
    [InlineData("portmap doc", "portmap doctor")]
    [InlineData("portmap lookup --timeout 30 vol0:/b", "portmap lookup --timeout 30 vol0:/b1")]
    [InlineData("portmap nothing", "portmap nothingX")]
    public Task CompletionFish_OfAWord_CompletesIt(string typed, string completed) => CompletesAsync("fish", typed, completed);

    [NeedsTheory("tmux", Also = ["bash"])]
    [MemberData(nameof(Hostile))]
    public Task CompletionBash_OfAnOwnerThatMeansSomethingToAShell_WritesThatOwner(string owner) => WritesAsync("bash", owner, "x");

    [NeedsTheory("tmux", Also = ["bash"])]
    [InlineData("x$(touch hit):/b", "x\\$\\(touch\\ hit\\):/")]
    [InlineData("x$(touch hit):/b", "'x$(touch hit):/")]
    [InlineData("it's:x*", "it\\'s:")]
    [InlineData("it's:x*", "\"it's:")]
    public Task CompletionBash_OfAWordThatIsQuoted_WritesThatOwner(string owner, string typed) => WritesAsync("bash", owner, typed);

    [NeedsTheory("tmux", Also = ["zsh"])]
    [MemberData(nameof(Hostile))]
    public Task CompletionZsh_OfAnOwnerThatMeansSomethingToAShell_WritesThatOwner(string owner) => WritesAsync("zsh", owner, "x");

    [NeedsTheory("tmux", Also = ["fish"])]
    [MemberData(nameof(Hostile))]
    public Task CompletionFish_OfAnOwnerThatMeansSomethingToAShell_WritesThatOwner(string owner) => WritesAsync("fish", owner, "x");

    private Task<Outcome> CompleteAsync(string line) => RunAsync("complete", $"{line.Length}", line);

    // The X is typed behind what the shell has made of the word, and behind the blank that it adds to a whole one.
    private async Task CompletesAsync(string shell, string typed, string completed)
    {
        await RegisterAsync("vol0:/b1");
        await OpenAsync(shell);

        await _terminal!.PressAsync(typed);
        await _terminal.PressAsync("Tab");
        await _terminal.PressAsync("X");

        string shown = completed.EndsWith('X') ? completed : $"{completed} X";
        await _terminal.UntilAsync(screen => screen.Contains(shown, StringComparison.Ordinal));
    }

    // What the shell has written is run: it finds the owner only when it means that owner and nothing else.
    private async Task WritesAsync(string shell, string owner, string typed)
    {
        PortEntry entry = await RegisterAsync(owner);
        await OpenAsync(shell);

        await _terminal!.PressAsync($"portmap lookup -q --timeout 30 {typed}");
        await _terminal.PressAsync("Tab");
        await _terminal.PressAsync("Enter");

        await _terminal.UntilAsync(screen => screen.Contains($"\n{entry.Port}", StringComparison.Ordinal));
        File.Exists(Folder["work/hit"]).Should().BeFalse("no owner is a command");
    }

    /// <summary>The shell itself, in a folder with one file, with the script read.</summary>
    private async Task OpenAsync(string shell)
    {
        Directory.CreateDirectory(Folder["bin"]);
        File.CreateSymbolicLink(Folder["bin/portmap"], Programs.ToolPath);
        Directory.CreateDirectory(Folder["work"]);
        await File.WriteAllTextAsync(Folder["work/xa"], string.Empty);   // x* is this file to a shell
        _terminal = await Tmux.StartAsync(Folder["tmux"], Endpoint, $"HOME={Folder.FullName}", "LC_ALL=C.UTF-8");
        await _terminal.TypeAsync($"cd {Folder["work"]}; PATH={Folder["bin"]}:$PATH; " + shell switch
        {
            "bash" => "PS1='ready$ ' exec bash --norc",
            "zsh" => "PS1='ready$ ' exec zsh -f",
            _ => "exec fish --no-config -C \"function fish_prompt; echo 'ready$ '; end\"",
        });
        await UntilReadyAsync();
        await _terminal.TypeAsync(shell switch
        {
            "bash" => "eval \"$(portmap completion bash)\"; clear; echo read",
            "zsh" => "autoload -U compinit; compinit -D; eval \"$(portmap completion zsh)\"; clear; echo read",
            _ => "portmap completion fish | source; clear; echo read",
        });
        await _terminal.UntilAsync(screen => screen.TrimStart().StartsWith("read\n", StringComparison.Ordinal));
        await UntilReadyAsync();
    }

    private Task<string> UntilReadyAsync() => _terminal!.UntilAsync(screen => screen.TrimEnd().EndsWith("ready$", StringComparison.Ordinal));
}
