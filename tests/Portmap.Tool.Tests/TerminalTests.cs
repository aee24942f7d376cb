namespace Portmap.Tool.Tests;

/// <summary>As a person sees it: in a terminal of its own.</summary>
public sealed class TerminalTests : ToolTest
{
    private Tmux _terminal = null!;

    public override async Task DisposeAsync()
    {
        if (_terminal is not null)
        {
            await _terminal.DisposeAsync();
        }

        await base.DisposeAsync();
    }

    [NeedsFact("tmux")]
    public async Task List_OnATerminal_HasColoursAndNotWithNoColor()
    {
        await ServeAsync();
        await RegisterAsync("b1");
        await OpenAsync();

        await _terminal.TypeAsync($"{Programs.ToolPath} list --timeout 30; echo done");
        (await _terminal.UntilAsync(screen => screen.Contains("\ndone"), withColours: true)).Should().MatchRegex("\e\\[[0-9;]*m *bound");

        await _terminal.TypeAsync($"clear; NO_COLOR=1 {Programs.ToolPath} list --timeout 30; echo plain");
        (await _terminal.UntilAsync(screen => screen.Contains("\nplain"), withColours: true)).Should().Contain("bound").And.NotContain("\e");
    }

    [NeedsFact("tmux")]
    public async Task Top_OnATerminal_RedrawsOnAChangeAndEndsWithQ()
    {
        await ServeAsync();
        await OpenAsync();
        await _terminal.TypeAsync($"echo before; {Programs.ToolPath} top --timeout 30; echo ended $?");
        (await _terminal.UntilAsync(screen => screen.Contains("bound 0"))).Should().NotContain("before");

        (ChildProcess worker, PortEntry entry) = await StartWorkerAsync("volume:b1");

        string shown = await _terminal.UntilAsync(screen => screen.Contains("volume:b1") && screen.Contains("registered"));   // the map and its changes come by calls of their own
        shown.Should().Contain($"{entry.Port}/tcp").And.Contain($" {worker.Id} ").And.Contain("Snapd").And.Contain("bound 1");
        await _terminal.PressAsync("q");
        await BackAsync();
    }

    [NeedsFact("tmux")]
    public async Task Top_WithCtrlC_RestoresTheTerminal()
    {
        await ServeAsync();
        await OpenAsync();
        await _terminal.TypeAsync($"echo before; {Programs.ToolPath} top --timeout 30; echo ended $?");
        await _terminal.UntilAsync(screen => screen.Contains("bound 0"));

        await _terminal.PressAsync("C-c");

        await BackAsync();
    }

    [NeedsFact("tmux")]
    public async Task Top_WhoseDaemonDies_SaysSoAndComesBackWithIt()
    {
        await ServeAsync();
        await OpenAsync();
        await _terminal.TypeAsync($"echo before; {Programs.ToolPath} top --timeout 30; echo ended $?");
        await _terminal.UntilAsync(screen => screen.Contains("bound 0"));

        Daemon.Kill();
        await Daemon.ExitAsync();
        await _terminal.UntilAsync(screen => screen.Contains("as it was:"));
        await ServeAsync();

        await _terminal.UntilAsync(screen => screen.Contains("changes:"));
        await _terminal.PressAsync("q");
        await BackAsync();
    }

    [NeedsFact("tmux")]
    public async Task Ping_WhileTheDaemonStandsStill_ShowsThatItWaits()
    {
        await ServeAsync();
        await OpenAsync();
        Daemon.Send(Signal.Stop);

        await _terminal.TypeAsync($"{Programs.ToolPath} ping --timeout 60; echo ended $?");

        await _terminal.UntilAsync(screen => screen.Contains("waiting for the daemon, at most 60 s"));
        Daemon.Send(Signal.Continue);
        (await _terminal.UntilAsync(screen => screen.Contains("ended 0"))).Should().Contain("answers").And.NotContain("waiting for");
    }

    private async Task OpenAsync() => _terminal = await Tmux.StartAsync(Folder["tmux"], Endpoint);

    // The screen of before, the cursor to be seen, and a terminal that echoes what is typed.
    private async Task BackAsync()
    {
        (await _terminal.UntilAsync(screen => screen.Contains("ended 0"))).Should().Contain("before").And.NotContain("q ends");
        (await _terminal.GetAsync("alternate_on")).Should().Be("0");
        (await _terminal.GetAsync("cursor_flag")).Should().Be("1");
        await _terminal.TypeAsync("echo ty''ped");
        (await _terminal.UntilAsync(screen => screen.Contains("\ntyped"))).Should().Contain("echo ty''ped");
    }
}
