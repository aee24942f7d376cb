namespace Portmap.Tests.Support;

/// <summary>What every refusal owes its reader: a typed reason, and a sentence with the value, the
/// bound, the holder and the remedy.</summary>
internal static class RefusalAssertions
{
    /// <summary>Checks the reason and that the message names each of
    /// <paramref name="named"/>.</summary>
    public static PortRefusal ShouldExplain(this PortRefusal? refusal, PortRefusalReason reason, params object[] named)
    {
        refusal.Should().NotBeNull();
        refusal!.Reason.Should().Be(reason, "the refusal was: {0}", refusal.Message);
        foreach (object name in named)
        {
            refusal.Message.Should().Contain(FormattableString.Invariant($"{name}"));
        }

        refusal.Message.Should().MatchRegex(@"[a-z].*[.;:].*[a-z]", "the remedy stands beside the complaint");
        return refusal;
    }

    /// <summary>Awaits the refusal of a task, at most for the deadline.</summary>
    public static async Task<PortRefusal> RefusalAsync(this Task task)
    {
        Func<Task> act = () => task.Within();
        return (await act.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
    }

    public static Task<PortRefusal> RefusalAsync(this ValueTask task) => task.AsTask().RefusalAsync();

    public static Task<PortRefusal> RefusalAsync<T>(this ValueTask<T> task) => task.AsTask().RefusalAsync();
}
