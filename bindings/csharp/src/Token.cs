namespace Sipo
{
    /// <summary>A generated token.</summary>
    public struct Token
    {
        internal Token(int id, string text)
        {
            Id = id;
            Text = text;
        }

        /// <summary>Its id; -1 after the last token, for text that was held back because a stop sequence might have
        /// begun.</summary>
        public int Id { get; }

        /// <summary>What the token completes: whole code points, possibly none.</summary>
        public string Text { get; }
    }
}
