using System.Diagnostics;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>What the processes under test inherit from the tests.</summary>
public sealed class ChildProcessTests
{
    [NeedsFact("sleep")]
    public async Task Start_WhereTheTestsWereStartedDeafToInterrupt_TheChildAnswersIt()
    {
        Signal.Interrupt.Ignore();   // as a background job of a script is
        await using ChildProcess child = ChildProcess.Start(new ProcessStartInfo("sleep"), "60");

        child.Send(Signal.Interrupt);

        (await child.ExitAsync()).Should().Be(128 + 2);
    }
}
